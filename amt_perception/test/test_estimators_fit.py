"""The hand fit on made observations whose hand is known, and the parts around it."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.estimators.detection import HandDetection
from amt_perception.estimators.hand_fit import HandFitter, HandSize, HandState
from amt_perception.estimators.hand_follower import HandFollower
from amt_perception.estimators.hand_residuals import DIRECTION_SIGMA, UNKNOWNS
from amt_perception.estimators.hand_size import SETTLED_FRAMES, HandSizeEstimator, hand_length
from amt_perception.estimators.interface import ScaleSource, TrackState
from amt_perception.estimators.observation import KEYPOINT_SIGMA, observe
from amt_perception.estimators.pose_prior import USUAL_ANGLES, USUAL_SIGMA
from amt_perception.estimators.tracking import HandTrack
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import BONES, MANO_TO_21, Side
from amt_perception.hand.limits import JointLimits
from amt_perception.metrics.pose import procrustes_mpjpe

CAMERA = Intrinsics.from_field_of_view(1280, 720)
MEAN_SIZE = HandSize(np.zeros(10), 1.0)


def random_state(random: np.random.Generator, side: Side = Side.RIGHT) -> HandState:
    """A hand in an unexceptional posture, anywhere in the picture, turned any way."""
    limits = JointLimits(generic_hand(side))
    angles = USUAL_ANGLES + 0.7 * USUAL_SIGMA * random.normal(size=(15, 3))
    place = random.uniform((-0.2, -0.1, 0.4), (0.2, 0.1, 0.9))
    inside = np.clip(angles, limits.lower, limits.upper)
    return HandState(Rotation.random(rng=random), inside, place)


def detect(joints: np.ndarray, side: Side, random: np.random.Generator | None) -> HandDetection:
    """What a perfect (or, with `random`, an ordinary) detector says about joints [21, 3]."""
    keypoints = CAMERA.project(joints)
    ray = np.append((keypoints.mean(axis=0) - (CAMERA.cx, CAMERA.cy)) / CAMERA.fx, 1.0)
    # The smallest rotation from the viewing ray to the optical axis, by its half-way vector.
    half = ray / np.linalg.norm(ray) + (0.0, 0.0, 1.0)
    half /= np.linalg.norm(half)
    flip = 2.0 * np.outer(half, half) - np.eye(3)
    about_axis = np.diag([-1.0, -1.0, 1.0])
    world = (joints - joints.mean(axis=0)) @ (about_axis @ flip).T
    if random is not None:
        sigma = KEYPOINT_SIGMA * np.ptp(keypoints, axis=0).max()
        keypoints = keypoints + sigma * random.normal(size=(21, 2))
        world = world + 0.03 * DIRECTION_SIGMA * random.normal(size=(21, 3))
    return HandDetection(keypoints, world, side, 0.99)


@pytest.mark.parametrize("side", [Side.LEFT, Side.RIGHT])
def test_a_known_hand_is_found_from_nothing(side):
    random = np.random.default_rng(3)
    fitter = HandFitter(generic_hand(side))
    for _ in range(12):
        truth = fitter.joints(MEAN_SIZE, random_state(random, side))
        fit = fitter.fit(observe(detect(truth, side, None), CAMERA), MEAN_SIZE, None)
        assert procrustes_mpjpe(fit.joints, truth) < 2e-3
        assert np.linalg.norm(fit.joints - truth, axis=-1).max() < 15e-3
        assert fit.residual < 0.5
        again = fitter.joints(MEAN_SIZE, fit.state)
        assert again == pytest.approx(fit.joints, abs=1e-9)


def test_the_wrong_side_fits_worse():
    random = np.random.default_rng(4)
    right, left = HandFitter(generic_hand(Side.RIGHT)), HandFitter(generic_hand(Side.LEFT))
    for _ in range(5):
        truth = right.joints(MEAN_SIZE, random_state(random))
        observation = observe(detect(truth, Side.RIGHT, random), CAMERA)
        own, other = (f.fit(observation, MEAN_SIZE, None) for f in (right, left))
        assert own.cost < other.cost


def test_sigma_is_the_error_that_noise_causes():
    random = np.random.default_rng(5)
    fitter = HandFitter(generic_hand(Side.RIGHT))
    errors, sigmas = [], []
    for _ in range(40):
        truth = fitter.joints(MEAN_SIZE, random_state(random))
        fit = fitter.fit(observe(detect(truth, Side.RIGHT, random), CAMERA), MEAN_SIZE, None)
        errors.append(fit.joints - truth)
        sigmas.append(fit.joint_sigma)
    ratio = np.sqrt(np.mean(np.square(errors)) / np.mean(np.square(sigmas)))
    assert 0.6 < ratio < 1.6


def moved(state: HandState, column: int, step: float) -> tuple[HandSize, HandState]:
    """The mean hand with one of the 51 unknowns or 10 shape coefficients changed."""
    turn, angles, place = state.wrist_rotation, state.angles, state.wrist_position
    if column < 3:
        turn = Rotation.from_rotvec(step * np.eye(3)[column]) * turn
    elif column < 48:
        angles = angles + step * np.eye(45)[column - 3].reshape(15, 3)
    elif column < UNKNOWNS:
        place = place + step * np.eye(3)[column - 48]
    else:
        shape = step * np.eye(10)[column - UNKNOWNS]
        return HandSize(shape, 1.0), state
    return MEAN_SIZE, HandState(turn, angles, place)


def test_derivatives_equal_finite_differences():
    random = np.random.default_rng(6)
    fitter = HandFitter(generic_hand(Side.LEFT))
    state = random_state(random, Side.LEFT)
    away = HandState(state.wrist_rotation, state.angles + 0.1, state.wrist_position * 1.1)
    joints = fitter.joints(MEAN_SIZE, away)
    observation = observe(detect(joints, Side.LEFT, random), CAMERA)
    system = fitter.linearise(observation, MEAN_SIZE, state, with_shape=True)
    step = 1e-6
    for column in range(UNKNOWNS + 10):
        there, back = moved(state, column, step), moved(state, column, -step)
        by_joints = (fitter.joints(*there) - fitter.joints(*back)) / (2.0 * step)
        assert system.joint_jacobian[..., column] == pytest.approx(by_joints, abs=1e-6)
        costs = [fitter.linearise(observation, *one).cost for one in (there, back)]
        by_cost = (costs[0] - costs[1]) / (2.0 * step)
        assert 2.0 * system.gradient[column] == pytest.approx(by_cost, rel=1e-3, abs=1e-2)


def test_proportions_are_learnt_and_then_stay():
    random = np.random.default_rng(9)
    fitter = HandFitter(generic_hand(Side.RIGHT))
    shape = np.zeros(10)
    shape[1], shape[2] = 2.0, -2.0  # long fingers, narrow palm
    length = hand_length(fitter.kinematics, np.zeros(10))
    person = HandSize(shape, length / hand_length(fitter.kinematics, shape))
    learner = HandSizeEstimator(fitter, hand_length_m=None)
    for _ in range(SETTLED_FRAMES):
        truth = fitter.joints(person, random_state(random))
        observation = observe(detect(truth, Side.RIGHT, None), CAMERA)
        learner.add(observation, fitter.fit(observation, learner.size, None).state)
    settled = learner.size
    learner.add(observation, random_state(random))
    assert learner.size is settled

    def bones(size: HandSize) -> np.ndarray:
        joints = size.scale * np.vstack(fitter.kinematics.rest(size.shape))[MANO_TO_21]
        return np.array([np.linalg.norm(joints[a] - joints[b]) for a, b in BONES])

    before = np.abs(bones(MEAN_SIZE) - bones(person)).mean()
    assert np.abs(bones(settled) - bones(person)).mean() < 0.5 * before


def test_a_given_hand_length_sets_size_and_depth():
    random = np.random.default_rng(10)
    fitter = HandFitter(generic_hand(Side.RIGHT))
    state = random_state(random)
    detection = detect(fitter.joints(MEAN_SIZE, state), Side.RIGHT, None)
    mean = hand_length(fitter.kinematics, np.zeros(10))
    track = HandTrack(1, detection, 0.0, side=Side.RIGHT)
    depths = {}
    for length, source in ((None, ScaleSource.NOMINAL), (0.8 * mean, ScaleSource.USER)):
        follower = HandFollower(Side.RIGHT, fitter, length)
        hand = follower.estimate(track, CAMERA, 0.0)
        assert hand is not None and hand.scale_source == source
        depths[source] = hand.joints[0, 2]
        assert hand.metric_scale * hand_length(fitter.kinematics, hand.mano_shape) == (
            pytest.approx(length or mean)
        )
    assert depths[ScaleSource.USER] / depths[ScaleSource.NOMINAL] == pytest.approx(0.8, rel=0.02)


def test_the_estimate_is_one_mano_hand():
    random = np.random.default_rng(11)
    data = generic_hand(Side.LEFT)
    fitter = HandFitter(data)
    detection = detect(fitter.joints(MEAN_SIZE, random_state(random, Side.LEFT)), Side.LEFT, random)
    follower = HandFollower(Side.LEFT, fitter, None)
    hand = follower.estimate(HandTrack(1, detection, 0.0, side=Side.LEFT), CAMERA, 0.0)
    assert hand is not None
    wrist = fitter.kinematics.rest(hand.mano_shape)[0][0]
    joints = fitter.kinematics.joints21(hand.mano_pose, hand.mano_shape, -wrist)
    assert hand.metric_scale * joints + hand.joints[0] == pytest.approx(hand.joints, abs=1e-9)
    assert Rotation.from_rotvec(hand.mano_pose[0]).as_matrix() == pytest.approx(hand.wrist_rotation)


def test_what_is_no_hand_is_not_reported_and_does_not_throw_a_followed_hand():
    random = np.random.default_rng(12)
    fitter = HandFitter(generic_hand(Side.RIGHT))
    nonsense = HandDetection(
        random.uniform(0.0, 700.0, (21, 2)), random.normal(size=(21, 3)), Side.RIGHT, 0.99
    )
    follower = HandFollower(Side.RIGHT, fitter, None)
    assert follower.estimate(HandTrack(1, nonsense, 0.0), CAMERA, 0.0) is None

    good = detect(fitter.joints(MEAN_SIZE, random_state(random)), Side.RIGHT, None)
    before = follower.estimate(HandTrack(1, good, 0.0), CAMERA, 0.0)
    after = follower.estimate(HandTrack(1, nonsense, 0.033), CAMERA, 0.033)
    assert before is not None and after is not None
    assert after.state == TrackState.PREDICTED
    assert after.joints == pytest.approx(before.joints)
    assert after.confidence < before.confidence
    assert (after.joint_sigma > before.joint_sigma).all()
    assert follower.estimate(HandTrack(1, nonsense, 0.5), CAMERA, 0.5) is None


def test_degenerate_detections_do_no_harm():
    fitter = HandFitter(generic_hand(Side.RIGHT))
    flat = np.zeros((21, 3))
    for keypoints in (np.full((21, 2), 300.0), np.full((21, 2), 1e6)):
        follower = HandFollower(Side.RIGHT, fitter, None)
        detection = HandDetection(keypoints, flat, Side.RIGHT, 0.99)
        assert follower.estimate(HandTrack(1, detection, 0.0), CAMERA, 0.0) is None
