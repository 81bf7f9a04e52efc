"""What people say when they want an object taken: templates tied to intent, part and family.

Validation and test hear other sentences than training: HELD_OUT has none of TRAINED.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from numpy.random import Generator

from amt_training.functional.catalogue import FAMILIES, RIM, Family

INTENTS = ("use", "hold", "lift", "handover")

Templates = Mapping[str, Sequence[str]]
"""By intent; {part} and {object} are filled in."""


@dataclass(frozen=True)
class Phrases:
    """Ways to say every intent."""

    naming: Templates
    """Those that name the part to touch."""
    general: Templates
    """Those that leave it to the hearer: the part is the one that the family has for the intent."""


TRAINED = Phrases(
    naming={
        "use": (
            "use the {object} by its {part}",
            "take the {part} and use the {object}",
            "hold the {part} so that you can use it",
            "grip the {part} to work with the {object}",
        ),
        "hold": (
            "hold it by the {part}",
            "hold the {object} by its {part}",
            "grasp the {part} of the {object}",
            "grab the {part}",
            "put your hand on the {part}",
            "take the {object} by the {part}",
            "grip it at the {part}",
        ),
        "lift": (
            "pick it up by the {part}",
            "pick up the {object} by the {part}",
            "lift the {object} by its {part}",
            "lift it at the {part}",
            "raise the {object}, holding the {part}",
        ),
        "handover": (
            "hand it over, holding the {part}",
            "give me the {object} and keep your hand on the {part}",
            "pass it to me, hold it by the {part}",
        ),
    },
    general={
        "use": (
            "use the {object}",
            "I want to use the {object}",
            "take the {object} to use it",
            "work with the {object}",
        ),
        "hold": ("hold the {object}", "grasp the {object}", "hold it", "grab the {object}"),
        "lift": ("pick up the {object}", "lift the {object}", "pick it up", "raise the {object}"),
        "handover": (
            "hand it over",
            "hand over the {object}",
            "give me the {object}",
            "pass the {object} to me",
            "pass it to me",
        ),
    },
)
HELD_OUT = Phrases(
    naming={
        "use": ("use it, hold the {part}", "work with the {object} by its {part}"),
        "hold": (
            "take it by its {part}",
            "please grasp the {object} at the {part}",
            "keep hold of the {part} of the {object}",
        ),
        "lift": ("take the {part} and lift it", "pick the {object} up, grab its {part}"),
        "handover": ("give it to me by the {part}", "hand me the {object}, holding its {part}"),
    },
    general={
        "use": ("take the {object} and use it", "please use the {object}"),
        "hold": ("keep hold of the {object}", "take hold of it"),
        "lift": ("lift it up", "please pick the {object} up"),
        "handover": ("hand me the {object}", "give it to me"),
    },
)

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "handle": ("handle", "grip"),
    "rim": ("rim", "edge"),
    "lid": ("lid", "cover"),
    "body": ("body", "main body"),
}
"""Other words for a part, those that training hears as well."""


@dataclass(frozen=True)
class Instruction:
    """A sentence and what it means."""

    text: str
    intent: str
    """One of INTENTS."""
    part: str
    """The part that it asks to touch."""


def instructions_for(family: Family, part: str, phrases: Phrases) -> dict[str, list[str]]:
    """Every sentence that asks to touch a part of a family's objects, by intent."""
    found = {}
    for intent in INTENTS:
        meant = part_for(family, intent)
        # Only one part serves to use an object, or leaves its handle free.
        naming = phrases.naming[intent] if intent in ("hold", "lift") or part == meant else ()
        texts = [
            template.format(part=word, object=family.noun)
            for template in naming
            for word in SYNONYMS.get(part, (part,))
        ]
        if part == meant:
            texts += [template.format(object=family.noun) for template in phrases.general[intent]]
        if texts:
            found[intent] = texts
    return found


def part_for(family: Family, intent: str) -> str:
    """The part that an instruction of an intent means when it names none."""
    if intent in ("use", "handover"):
        return str(getattr(family, intent))
    # To hold or to lift: where most objects are taken.
    return family.use if family.use in ("handle", RIM) else "body"


def draw_instruction(family: Family, part: str, phrases: Phrases, random: Generator) -> Instruction:
    """An intent by chance and one of its sentences; the same generator gives the same one."""
    choices = instructions_for(family, part, phrases)
    intent = list(choices)[random.integers(len(choices))]
    return Instruction(str(random.choice(choices[intent])), intent, part)


def draw_general(intent: str, noun: str, phrases: Phrases, random: Generator) -> str:
    """A sentence for an intent with any object, for data that say nothing about parts."""
    return str(random.choice(phrases.general[intent])).format(object=noun)


def all_instructions() -> tuple[str, ...]:
    """Every sentence of every family, trained and held out, sorted: to encode them once."""
    return tuple(
        sorted(
            {
                text
                for family in FAMILIES.values()
                for part in family.part_names
                for phrases in (TRAINED, HELD_OUT)
                for texts in instructions_for(family, part, phrases).values()
                for text in texts
            }
        )
    )
