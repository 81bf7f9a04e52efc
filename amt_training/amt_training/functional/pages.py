"""Pages that show what a grasp model says: one HTML file, interactive, without a network.

Each sample: the true grasp with the true contacts beside drawn grasps with the predicted ones, all
in one scene that can be turned. The viewer is trimesh's (three.js inside the file, about 0.7 MB); a
sample adds 0.2 to 1.5 MB.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from amt_perception.grasp.interface import Grasps
from amt_perception.model.interface import HAND_PARTS
from amt_perception.output.files import atomic_write
from amt_training.functional.figures import PART_COLOURS, HandFigure, Piece, object_mesh
from amt_training.functional.sample import GraspObject

if TYPE_CHECKING:
    import trimesh

GAP_M = 0.03
"""Between one grasp and the next."""
_VIEW = (np.radians(65.0), 0.0, np.radians(25.0))
"""Turn of the camera about x, y and z: seen from above, a little from the side."""
_FIELD_OF_VIEW = (45.0, 20.0)
"""Degrees, across and up."""


@dataclass(frozen=True)
class ShownSample:
    """One object and instruction, with the truth and what the model says."""

    object: GraspObject
    instruction: str
    truth: Grasps
    """One grasp."""
    true_strength: np.ndarray
    """[1024, 6] of contact, 0..1."""
    drawn: Grasps
    """Some grasps, best first."""
    strength: np.ndarray
    """[1024, 6] predicted."""
    note: str
    """Such as the errors."""


def write_page(path: Path, title: str, samples: Sequence[ShownSample], figure: HandFigure) -> None:
    """Write the page of at least one sample. Raises AmtError when that cannot be done."""
    from trimesh.viewer import scene_to_html

    scenes = [scene_of(sample, figure) for sample in samples]
    encoded = [base64.b64encode(scene.export(file_type="glb")).decode() for scene in scenes]
    viewer = scene_to_html(scenes[0]).split(encoded[0])
    shown = [
        {
            "name": sample.object.name,
            "instruction": sample.instruction,
            "note": sample.note,
            "scene": scene,
        }
        for sample, scene in zip(samples, encoded, strict=True)
    ]
    legend = "".join(
        f'<span><i style="background: rgb({r}, {g}, {b})"></i>{name}</span>'
        for name, (r, g, b) in zip(HAND_PARTS, PART_COLOURS, strict=True)
    )
    page = _PAGE
    for key, value in (
        ("TITLE", html.escape(title)),
        ("LEGEND", legend),
        ("SAMPLES", _script(shown)),
        ("VIEWER", _script(viewer)),
    ):
        page = page.replace(f"${key}$", value)
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def scene_of(sample: ShownSample, figure: HandFigure) -> trimesh.Scene:
    """The truth, and to the right of it the drawn grasps, best first."""
    import trimesh

    grasps = _joined(sample.truth, sample.drawn)
    pieces = figure.pieces(grasps)
    right = trimesh.transformations.euler_matrix(*_VIEW)[:3, 0]
    offsets = [
        trimesh.transformations.translation_matrix(along * right)
        for along in _side_by_side(sample.object, pieces, right)
    ]
    scene = trimesh.Scene()
    scene.geometry["true"] = object_mesh(sample.object, sample.true_strength)
    scene.geometry["predicted"] = object_mesh(sample.object, sample.strength)
    for k, offset in enumerate(offsets):
        scene.graph.update(f"object {k}", matrix=offset, geometry="predicted" if k else "true")
    for piece in pieces:
        scene.geometry[piece.name] = piece.mesh
        for k, pose in piece.poses.items():
            scene.graph.update(f"{piece.name} of {k}", matrix=offsets[k] @ pose,
                               geometry=piece.name)  # fmt: skip
    low, high = scene.bounds
    distance = 0.5 * np.linalg.norm(high - low) / np.tan(np.radians(_FIELD_OF_VIEW[0] / 2.0))
    scene.set_camera(_VIEW, distance, (low + high) / 2.0, fov=_FIELD_OF_VIEW)
    return scene


def _side_by_side(shown: GraspObject, pieces: Sequence[Piece], right: np.ndarray) -> list[float]:
    """How far each grasp goes to the right so that none is in front of another (m)."""
    places, end = [], 0.0
    for k in sorted({k for piece in pieces for k in piece.poses}):
        hand = [
            piece.mesh.vertices @ piece.poses[k][:3, :3].T + piece.poses[k][:3, 3]
            for piece in pieces
            if k in piece.poses
        ]
        along = np.concatenate([shown.vertices, *hand]) @ right
        places.append(end - float(along.min()))
        end += float(np.ptp(along)) + GAP_M
    return places


def _joined(first: Grasps, second: Grasps) -> Grasps:
    import torch

    names = ("rotation", "position", "joints", "shape")
    return Grasps(*(torch.cat([getattr(first, n), getattr(second, n)]).cpu() for n in names))


def _script(value: object) -> str:
    """JSON that may stand inside a <script>: nothing in it ends the element."""
    return json.dumps(value).replace("</", "<\\/").replace("<!--", "<\\!--")


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>$TITLE$</title>
<style>
  body { margin: 0; font: 15px/1.45 system-ui, sans-serif; color: #22262c; background: #f4f5f7;
         display: grid; grid-template: auto 1fr / 280px 1fr; height: 100vh; }
  header { grid-column: 1 / 3; padding: 14px 20px; background: #fff;
           border-bottom: 1px solid #dde0e5; display: flex; flex-wrap: wrap; gap: 6px 28px;
           align-items: baseline; }
  h1 { font-size: 18px; margin: 0; }
  .legend span { margin-right: 14px; white-space: nowrap; }
  .legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px;
              margin-right: 5px; }
  nav { overflow-y: auto; padding: 12px; }
  button { display: block; width: 100%; text-align: left; margin: 0 0 8px; padding: 9px 12px;
           border: 1px solid #dde0e5; border-radius: 8px; background: #fff; font: inherit;
           cursor: pointer; }
  button.on { border-color: #3c96dc; box-shadow: 0 0 0 1px #3c96dc; }
  button small { color: #6b7280; }
  main { display: flex; flex-direction: column; min-width: 0; background: #fff; }
  main p { margin: 12px 20px 0; }
  iframe { flex: 1; border: 0; width: 100%; }
</style>
</head>
<body>
<header><h1>$TITLE$</h1><div class="legend">$LEGEND$</div></header>
<nav></nav>
<main><p><b id="instruction"></b> <span id="note"></span><br>
<small>Left: the true grasp and contacts. To the right of it: drawn grasps, best first, on the
predicted contacts. Drag to turn, scroll to come nearer.</small></p>
<iframe title="grasps"></iframe></main>
<script>
const samples = $SAMPLES$, viewer = $VIEWER$;
const buttons = samples.map((sample, number) => {
  const button = document.createElement("button"), small = document.createElement("small");
  button.textContent = sample.instruction;
  small.textContent = sample.name;
  button.append(document.createElement("br"), small);
  button.onclick = () => show(number);
  document.querySelector("nav").append(button);
  return button;
});
function show(number) {
  const sample = samples[number];
  buttons.forEach((button, other) => button.classList.toggle("on", other === number));
  document.getElementById("instruction").textContent = sample.instruction;
  document.getElementById("note").textContent = sample.note;
  document.querySelector("iframe").srcdoc = viewer.join(sample.scene);
}
show(0);
</script>
</body>
</html>
"""
