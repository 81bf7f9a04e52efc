"""A grasp as MANO parameters becomes one of the robot, by the documentation's own lines."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from amt_perception.hand.joints import TIPS, Side
from amt_perception.hand.mano_files import load_hand_model
from amt_perception.hand.model import HandModel

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "retargeting.md"


def write_cylinder(path: Path, centre: np.ndarray, axis: np.ndarray, radius: float) -> None:
    """An OBJ file of a cylinder, 16 cm long, about an axis (unit vector)."""
    aside = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    aside /= np.linalg.norm(aside)
    angle = np.linspace(0.0, 2.0 * np.pi, 40, endpoint=False)[:, None]
    ring = radius * (np.cos(angle) * aside + np.sin(angle) * np.cross(axis, aside))
    vertices = np.concatenate([ring - 0.08 * axis, ring + 0.08 * axis, [-0.08 * axis, 0.08 * axis]])
    faces = []
    for k in range(40):
        a, b = k, (k + 1) % 40
        faces += [(a, b, b + 40), (a, b + 40, a + 40), (b, a, 80), (a + 40, b + 40, 81)]
    lines = ["v {} {} {}".format(*vertex) for vertex in vertices + centre]
    lines += ["f {} {} {}".format(*(np.array(face) + 1)) for face in faces]
    path.write_text("\n".join(lines))


def test_the_documented_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relaxed hand, closed a little, about a cylinder between its thumb and fingers."""
    data = load_hand_model(Side.RIGHT)
    pose = np.concatenate([np.zeros(3), data.hands_mean + 0.8 * data.hands_components[0]])
    turned = torch.tensor(pose, dtype=torch.float32).reshape(1, 16, 3)
    joints = HandModel(data).joints(turned, torch.zeros(1, 10), torch.zeros(1, 3))[0].numpy()
    thumb, fingers = joints[TIPS[0]], joints[list(TIPS[1:4])].mean(axis=0)
    across = joints[5] - joints[13]
    radius = np.linalg.norm(fingers - thumb) / 2.0 - 0.004
    np.savez(tmp_path / "mano_grasp.npz", pose=pose, shape=np.zeros(10), translation=np.zeros(3))
    write_cylinder(
        tmp_path / "object.obj", (thumb + fingers) / 2, across / np.linalg.norm(across), radius
    )
    monkeypatch.chdir(tmp_path)

    (lines,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    names: dict = {}
    exec(lines, names)
    result = names["result"]
    assert set(result.contact_errors) == {"thumb", "index", "middle", "ring"}
    assert np.mean(list(result.contact_errors.values())) < 0.005
    assert max(result.penetration, result.approach_penetration) < 0.001
    assert result.opening > 0.015
