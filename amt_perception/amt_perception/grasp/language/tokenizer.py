"""Instructions as numbers: each word becomes a bag of hashed pieces, so that no word is unknown.

As in fastText (Bojanowski et al., "Enriching word vectors with subword information", TACL 2017): a
word is its whole and all its runs of three letters, with marks at both ends. There is no
vocabulary to ship: "handles" shares most pieces with "handle", and a word never seen has at least
some pieces of words that were.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Sequence

import torch
from torch import Tensor

from amt_perception.errors import AmtError

BUCKETS = 8192
"""Hash values of pieces; 0 stands for no piece."""
MAX_WORDS = 32
"""An instruction is a sentence, not a text."""
MAX_LETTERS = 40
"""Of a word."""
PIECE_LETTERS = 3


def words_of(instruction: str) -> list[str]:
    """The words of an instruction, in lower case and without punctuation.

    Raises AmtError for an instruction without words or one that is too long.
    """
    text = unicodedata.normalize("NFKC", instruction).casefold()
    words = re.findall(r"[^\W_]+", text)
    if not words:
        raise AmtError(
            "the instruction is empty; say what to do with the object, such as 'hold it by the "
            "handle'"
        )
    if len(words) > MAX_WORDS or max(map(len, words)) > MAX_LETTERS:
        raise AmtError(
            f"the instruction is longer than {MAX_WORDS} words, or one of its words than "
            f"{MAX_LETTERS} letters; say it in a short sentence"
        )
    return words


def pieces_of(word: str) -> list[int]:
    """Numbers from 1 to BUCKETS of a word's pieces; the first is the whole word's."""
    marked = f"<{word}>"
    runs = [marked[i : i + PIECE_LETTERS] for i in range(len(marked) - PIECE_LETTERS + 1)]
    pieces = dict.fromkeys([marked, *runs])
    return [1 + zlib.crc32(piece.encode()) % BUCKETS for piece in pieces]


def tokenize(instructions: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Pieces [B, L, P] int64 of B instructions, 0 where there is none, and mask [B, L] bool.

    L is the longest instruction's number of words, P the longest word's number of pieces; the mask
    is False where a shorter instruction is padded. Raises AmtError as `words_of` does.
    """
    pieces = [[pieces_of(word) for word in words_of(one)] for one in instructions]
    longest = max(len(words) for words in pieces)
    most = max(len(word) for words in pieces for word in words)
    token_ids = torch.zeros(len(pieces), longest, most, dtype=torch.int64)
    for row, words in zip(token_ids, pieces, strict=True):
        for place, word in zip(row, words, strict=False):
            place[: len(word)] = torch.tensor(word)
    return token_ids, token_ids[..., 0] > 0
