"""Samples grasps of an object, makes them touch, tries them, and writes what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from amt_perception.grasp.object_input import ObjectCloud, load_object
from amt_perception.grasp.predictor import TOUCHES, GraspPredictor, GraspProposal
from amt_perception.grasp.sample.arguments import Options
from amt_perception.grasp.sample.contact_picture import draw_contact
from amt_perception.grasp.sample.sheet import Tile, draw_sheet, draw_tile
from amt_perception.hand.joints import Side
from amt_perception.model.interface import HAND_PARTS
from amt_perception.output.files import atomic_folder, check_writable
from amt_retarget.grasp.retargeter import RobotGrasp
from amt_retarget.robot.robot import Robot

LINE = "{:>4}  {:>5}  {:<32}"
ROBOT_LINE = LINE + "  {:>11}  {:>5}  {:>10}  {}"


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
        predictor.drawn(options.num),
        options.seed,
        options.steps,
        options.guidance,
    )
    heading = f"{options.mesh.name}: {options.instruction}"
    print(heading)
    for note in predictor.notes(cloud, options.instruction):
        print(f"note: {note}")
    side = Side[predictor.config.side.upper()]
    with atomic_folder(options.out) as folder:
        if predictor.config.hand == "mano":
            tiles = _person(cloud, proposals, side, options.trial, folder)
        else:
            tiles = _robot(cloud, proposals, side, options, folder)
        for rank, tile in enumerate(tiles, start=1):
            draw_tile(folder / f"grasp_{rank}.png", tile, heading)
        contact = draw_contact(cloud, predictor.contact_map(cloud, options.instruction))
        draw_sheet(folder / "grasps.png", contact, tiles, heading)
    print(f"wrote {options.out / 'grasps.png'}, and every grasp's own files beside it")


def _person(
    cloud: ObjectCloud, proposals: list[GraspProposal], side: Side, trial: bool, folder: Path
) -> list[Tile]:
    """Grasps of a person's hand: prints the table. A trial is of the robot that imitates them."""
    from amt_perception.grasp.sample.mano_pictures import ManoPictures

    hand = ManoPictures(cloud, side)
    views = [hand.grasp(proposal) for proposal in proposals]
    if trial:
        from amt_perception.grasp.sample.robot_grasps import imitated, load_robot

        robot = load_robot(side.name.lower())
        grasps = imitated(robot, cloud, [hand.posed(proposal)[1] for proposal in proposals])
        tiles = _try_and_draw(cloud, proposals, robot, grasps, True, folder)
        return [
            replace(tile, pictures=[*view[:1], *tile.pictures])
            for tile, view in zip(tiles, views, strict=True)
        ]
    print(LINE.format("rank", "score", "touches"))
    for rank, proposal in enumerate(proposals, start=1):
        print(LINE.format(rank, _score(proposal), _touches(proposal)))
    return [
        Tile(view, f"{rank}: score {_score(proposal)}", _touches(proposal))
        for rank, (proposal, view) in enumerate(zip(proposals, views, strict=True), start=1)
    ]


def _robot(
    cloud: ObjectCloud,
    proposals: list[GraspProposal],
    side: Side,
    options: Options,
    folder: Path,
) -> list[Tile]:
    """Grasps of the Allegro hand, made to touch; those that should hold come first."""
    from amt_perception.grasp.sample.robot_grasps import load_robot, refined

    robot = load_robot(side.name.lower())
    pairs = refined(robot, cloud, proposals, options.num)
    chosen, grasps = [one for one, _ in pairs], [grasp for _, grasp in pairs]
    return _try_and_draw(cloud, chosen, robot, grasps, options.trial, folder)


def _try_and_draw(
    cloud: ObjectCloud,
    proposals: list[GraspProposal],
    robot: Robot,
    grasps: Sequence[RobotGrasp | None],
    trial: bool,
    folder: Path,
) -> list[Tile]:
    """Print the table of the robot's grasps, save each, and draw it."""
    from amt_perception.grasp.sample.robot_grasps import save, tried
    from amt_perception.grasp.sample.robot_pictures import RobotPictures

    results = tried(robot, cloud, grasps) if trial else [None] * len(grasps)
    columns = ("rank", "score", "touches", "penetration", "links", "withstands")
    print(ROBOT_LINE.format(*columns, "trial" if trial else "").rstrip())
    tiles = []
    with RobotPictures(robot, cloud) as pictures:
        rows = zip(proposals, grasps, results, strict=True)
        for rank, (proposal, grasp, result) in enumerate(rows, start=1):
            score = _score(proposal)
            if grasp is None:
                print(f"{rank:>4}  {score:>5}  no finger touches the object")
                tiles.append(Tile([], f"{rank}: score {score}", "no finger touches", held=False))
                continue
            depth, links = f"{1000 * grasp.penetration:.1f} mm", len(grasp.contacts)
            withstands = "-" if np.isnan(grasp.withstands) else f"{grasp.withstands:.1f} N"
            outcome, held = "", None
            if result is not None:
                outcome, held = result.reason or "held", result.held
            row = (rank, score, _touched(grasp), depth, links, withstands, outcome)
            print(ROBOT_LINE.format(*row).rstrip())
            title = f"{rank}: {outcome or f'score {score}'}"
            caption = f"{links} links touch, {depth} deep"
            tiles.append(Tile(pictures.grasp(grasp), title, caption, held))
            save(folder / f"grasp_{rank}.npz", robot, cloud, grasp)
    if trial:
        print(f"{sum(bool(tile.held) for tile in tiles)} of {len(tiles)} held")
    return tiles


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
