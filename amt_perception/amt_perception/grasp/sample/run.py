"""Samples grasps of an object, makes them touch, and writes what was found."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from amt_perception.grasp.object_input import ObjectCloud, load_object
from amt_perception.grasp.predictor import TOUCHES, GraspPredictor, GraspProposal
from amt_perception.grasp.sample.arguments import Options
from amt_perception.grasp.sample.sheet import Tile, draw_sheet, draw_tile
from amt_perception.hand.joints import Side
from amt_perception.model.interface import HAND_PARTS
from amt_perception.output.files import atomic_folder, check_writable
from amt_retarget.grasp.retargeter import RobotGrasp

LINE = "{:>4}  {:>5}  {:<32}"
ROBOT_LINE = LINE + "  {:>11}  {:>5}  {:>10}"


def run(options: Options) -> None:
    """Sample, print the table, write pictures and grasps.

    Raises AmtError or RetargetError, having written nothing.
    """
    check_writable(options.out)
    cloud = load_object(options.mesh)
    predictor = GraspPredictor.load(options.checkpoint, options.device)
    proposals = predictor.sample(
        cloud,
        options.instruction,
        options.num,
        options.seed,
        options.steps,
        options.guidance,
    )
    heading = f"{options.mesh.name}: {options.instruction}"
    print(heading)
    for note in predictor.notes(cloud, options.instruction):
        print(f"note: {note}")
    contact = predictor.contact_map(cloud, options.instruction)
    side = Side[predictor.config.side.upper()]
    with atomic_folder(options.out) as folder:
        if predictor.config.hand == "mano":
            picture, tiles = _person(cloud, proposals, contact, side)
        else:
            picture, tiles = _robot(cloud, proposals, contact, side, folder)
        for rank, tile in enumerate(tiles, start=1):
            draw_tile(folder / f"grasp_{rank}.png", tile, heading)
        draw_sheet(folder / "grasps.png", picture, tiles, heading)
    print(f"wrote {options.out / 'grasps.png'}, and every grasp's own files beside it")


def _person(
    cloud: ObjectCloud, proposals: list[GraspProposal], contact: np.ndarray, side: Side
) -> tuple[np.ndarray, list[Tile]]:
    """Grasps of a person's hand: prints the table; gives the contact map's picture, and tiles."""
    from amt_perception.grasp.sample.mano_pictures import ManoPictures

    pictures = ManoPictures(cloud, side)
    print(LINE.format("rank", "score", "touches"))
    tiles = []
    for rank, proposal in enumerate(proposals, start=1):
        print(LINE.format(rank, _score(proposal), _touches(proposal)))
        tiles.append(Tile(pictures.grasp(proposal), _title(rank, proposal), _touches(proposal)))
    return pictures.contact(contact), tiles


def _robot(
    cloud: ObjectCloud,
    proposals: list[GraspProposal],
    contact: np.ndarray,
    side: Side,
    folder: Path,
) -> tuple[np.ndarray, list[Tile]]:
    """Grasps of the Allegro hand, refined: as `_person`, and saves each grasp."""
    from amt_perception.grasp.sample.robot_grasps import load_robot, refined, save
    from amt_perception.grasp.sample.robot_pictures import RobotPictures

    robot = load_robot(side.name.lower())
    grasps = refined(robot, cloud, proposals)
    print(ROBOT_LINE.format("rank", "score", "touches", "penetration", "links", "unbalanced"))
    tiles = []
    with RobotPictures(robot, cloud) as pictures:
        for rank, (proposal, grasp) in enumerate(zip(proposals, grasps, strict=True), start=1):
            depth, links = f"{1000 * grasp.penetration:.1f} mm", len(grasp.contacts)
            unbalanced = f"{grasp.unbalanced:.2f}" if links else "-"
            print(
                ROBOT_LINE.format(rank, _score(proposal), _touched(grasp), depth, links, unbalanced)
            )
            caption = f"{links} links touch, {depth} deep"
            tiles.append(Tile(pictures.grasp(grasp), _title(rank, proposal), caption))
            save(folder / f"grasp_{rank}.npz", robot, cloud, grasp)
        return pictures.contact(contact), tiles


def _title(rank: int, proposal: GraspProposal) -> str:
    return f"{rank}: score {_score(proposal)}"


def _score(proposal: GraspProposal) -> str:
    return "-" if np.isnan(proposal.score) else f"{proposal.score:.2f}"


def _touches(proposal: GraspProposal) -> str:
    """Parts that the model expects to touch."""
    if proposal.contact_probability is None:
        return "-"
    touching = proposal.contact_probability > TOUCHES
    return " ".join(part for part, yes in zip(HAND_PARTS, touching, strict=True) if yes) or "none"


def _touched(grasp: RobotGrasp) -> str:
    """Parts of the hand whose links touch."""
    from amt_retarget.grasp.contact_parts import part_of_link

    parts = {part_of_link(link) for link in grasp.contacts}
    return " ".join(part for part in HAND_PARTS if part in parts) or "none"
