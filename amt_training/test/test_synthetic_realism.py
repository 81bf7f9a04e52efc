"""Which hands MediaPipe could find, whether it does, and what might be the reason."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.estimators import mediapipe_models
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.hand.limits import JointLimits
from amt_perception.hand.mirror import mirror_pose
from amt_perception.sample.motion import FINGERS_UP_PALM_TO_CAMERA, OPEN
from amt_training.synthetic.looks import Lamp, random_look
from amt_training.synthetic.objects.library import ObjectLibrary
from amt_training.synthetic.scene import Hand, Moment, PlacedObject, Shot, Touch
from amt_training.synthetic.settings import WorldSettings

pytest.importorskip("mujoco", reason="mujoco is not installed")
pytest.importorskip("mediapipe", reason="mediapipe is not installed")
pytest.importorskip("trimesh", reason="trimesh is not installed")

from amt_perception.estimators.mediapipe_detector import MediaPipeDetector
from amt_training.synthetic.realism import Check, checks_of, sheet, tables
from amt_training.synthetic.renderer import WorldRenderer

if not (mediapipe_models.models_folder() / mediapipe_models.BUNDLE_NAME).is_file():
    pytest.skip(
        f"MediaPipe's models are not installed; run {mediapipe_models.COMMAND}",
        allow_module_level=True,
    )

SETTINGS = WorldSettings(width=320, height=240, sleeves=1.0, objects=(1, 1, 1))
CAMERA = Intrinsics(400.0, 400.0, 160.0, 120.0, 320, 240)
UNTOUCHED = Touch(np.full(6, np.inf), np.zeros((6, 3)), np.zeros((6, 3)))


@pytest.fixture(scope="module")
def draw():
    library = ObjectLibrary("test", SETTINGS)
    look = random_look(np.random.default_rng(5), SETTINGS)
    grey = np.full((240, 320, 3), 170, dtype=np.uint8)
    lamp = Lamp((-0.3, 0.6, 0.8), (0.5, 0.5, 0.5))
    look = replace(look, backdrop=grey, ambient=(0.55, 0.55, 0.55), lamps=(lamp, look.lamps[1]))
    number = min(library.objects)
    with closing(WorldRenderer(library, 320, 240)) as renderer:

        def draw(side: Side, distance: float, turn: float, hidden: bool = False) -> Shot:
            orientation = Rotation.from_euler("Y", turn) * Rotation.from_matrix(
                FINGERS_UP_PALM_TO_CAMERA
            )
            rotation = orientation.as_rotvec()
            if side == Side.LEFT:
                rotation = mirror_pose(rotation)
            pose = JointLimits(generic_hand(side)).pose(OPEN.angles(), rotation)
            wrist = np.array([0.0, 0.09, distance])
            hand = Hand(side, pose, np.zeros(10), wrist, wrist + np.array((0.02, 0.26, 0.08)))
            place = np.eye(4)
            place[:3, 3] = (0.0, 0.0, 0.6 * distance)
            moment = Moment((hand,), (PlacedObject(number, place),) if hidden else ())
            picture = renderer.render(moment, CAMERA, look)
            return Shot(CAMERA, moment, picture, (UNTOUCHED,), "gesture")

        yield draw


@pytest.fixture(scope="module")
def detector():
    detector = MediaPipeDetector(max_hands=2, single_images=True)
    yield detector
    detector.close()


@pytest.mark.parametrize("side", [Side.LEFT, Side.RIGHT])
def test_an_open_hand_is_found_with_its_side(draw, detector, side):
    (check,) = checks_of(draw(side, 0.45, 0.0), "0/0", detector)
    assert check.found and check.side_right
    assert check.pixel_error < 0.1
    assert check.aligned_error < 0.025
    assert check.causes["seen from"] == "the palm"
    assert check.causes["fingers"] == "straight"
    assert check.causes["size"] == "100 to 180 px"
    assert check.causes["hands"] == "one"
    assert check.causes["arm"] == "bare"  # the sleeve begins below the picture
    assert check.causes["touching"] == "nothing"


def test_the_back_is_told_from_the_palm(draw, detector):
    (check,) = checks_of(draw(Side.LEFT, 0.45, np.pi), "0/0", detector)
    assert check.causes["seen from"] == "the back"


def test_tiny_and_hidden_hands_do_not_count(draw, detector):
    assert checks_of(draw(Side.RIGHT, 1.4, 0.0), "0/0", detector) == []
    assert checks_of(draw(Side.RIGHT, 0.45, 0.0, hidden=True), "0/0", detector) == []


def test_a_hand_in_an_empty_picture_is_missed(draw, detector):
    shot = draw(Side.RIGHT, 0.45, 0.0)
    empty = replace(shot.picture, image=np.full_like(shot.picture.image, 100))
    (check,) = checks_of(replace(shot, picture=empty), "0/0", detector)
    assert not check.found and not check.side_right
    assert np.isnan(check.pixel_error)


def test_tables_count_and_the_sheet_begins_with_the_missed():
    black, white = np.zeros((240, 240, 3), np.uint8), np.full((240, 240, 3), 255, np.uint8)
    found = Check("0/0", {"arm": "bare"}, white, True, True, 0.05, 0.01)
    wrong = Check("1/0", {"arm": "bare"}, white, True, False, 0.07, 0.03)
    missed = Check("2/0", {"arm": "sleeve"}, black, False, False, np.nan, np.nan)
    whole, by_arm = tables([found, wrong, missed])
    assert whole.value("all", "found %") == pytest.approx(200 / 3)
    assert whole.value("all", "side right %") == 50.0
    assert whole.value("all", "PA mm") == pytest.approx(20.0)
    assert by_arm.value("bare", "found %") == 100.0
    assert by_arm.value("sleeve", "found %") == 0.0
    picture = sheet([found, wrong, missed])
    assert picture.shape == (240, 6 * 240, 3)
    assert picture[:, :240].max() == 0
    assert picture[:, 240:480].min() == 255
