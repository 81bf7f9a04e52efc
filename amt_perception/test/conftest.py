"""A scene that is known exactly, and an AMT estimator that says just that."""

import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.estimators.interface import (
    ContactEstimate,
    FrameEstimate,
    HandEstimate,
    HandPart,
    Interaction,
    ObjectEstimate,
    ScaleSource,
    TrackState,
)
from amt_perception.hand.joints import TIPS, Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.mano_files import load_hand_model

CAMERA = Intrinsics.from_field_of_view(640, 480)
ORIENTATION = Rotation.from_euler("y", 0.3) * Rotation.from_matrix(
    [[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]
)
"""Fingers up, the back of the hand nearly to the camera."""


def made_scene(intrinsics: Intrinsics = CAMERA) -> FrameEstimate:
    """A flat right hand with its mesh, touching a bottle with three fingertips."""
    model = load_hand_model(Side.RIGHT)
    pose, translation = np.zeros((16, 3)), np.array([0.0, 0.06, 0.5])
    pose[0] = ORIENTATION.as_rotvec()
    joints = HandKinematics(model).joints21(pose, np.zeros(10), translation)
    wrist = model.J_regressor[0] @ model.v_template
    hand = HandEstimate(
        side=Side.RIGHT,
        track_id=7,
        state=TrackState.TRACKED,
        confidence=0.93,
        wrist_rotation=ORIENTATION.as_matrix(),
        joints=joints,
        joint_sigma=np.full(21, 0.01),
        keypoints_px=intrinsics.project(joints),
        mano_pose=pose,
        mano_shape=np.linspace(-1.0, 1.0, 10),
        metric_scale=1.02,
        scale_source=ScaleSource.MODEL,
        vertices=ORIENTATION.apply(model.v_template - wrist) + joints[0],
    )
    bottle = ObjectEstimate(
        class_name="006_mustard_bottle",
        confidence=0.88,
        track_id="bottle-1",
        position=np.array([-0.07, 0.0, 0.54]),
        rotation=Rotation.from_euler("xyz", [1.4, 0.3, 0.2]).as_matrix(),
        position_sigma=0.02,
        size=np.array([0.1, 0.07, 0.19]),
    )
    contacts = [
        ContactEstimate(Side.RIGHT, part, "bottle-1", probability, joints[TIPS[part - 1]])
        for part, probability in (
            (HandPart.THUMB, 0.97), (HandPart.INDEX, 0.8), (HandPart.MIDDLE, 0.3),
        )
    ]  # fmt: skip
    first = replace(contacts[0], distance=-0.002, normal=np.array([0.0, 0.0, -1.0]), force=2.5)
    return FrameEstimate([hand], [bottle], [first, *contacts[1:]], Interaction.GRASP, 0.75)


class FakeAmtTracker:
    """Sees the made scene in every image that is not black, and nothing in a black one."""

    name = "amt"
    calls: list[tuple] = []  # noqa: RUF012 - emptied for every test

    @classmethod
    def load(cls, checkpoint, mano_folder, device, precision):
        cls.calls.append((checkpoint, mano_folder, device, precision))
        return cls()

    def estimate(self, image, intrinsics, time):
        return made_scene(intrinsics) if image.any() else FrameEstimate([], [], [])

    def reset(self):
        pass

    def close(self):
        pass


@pytest.fixture
def scene() -> FrameEstimate:
    return made_scene()


@pytest.fixture
def fake_amt(monkeypatch: pytest.MonkeyPatch) -> type[FakeAmtTracker]:
    """`create_estimator` finds the fake in the place of the real AmtTracker."""
    module = ModuleType("amt_perception.estimators.amt_tracking")
    module.AmtTracker = FakeAmtTracker
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(FakeAmtTracker, "calls", [])
    return FakeAmtTracker
