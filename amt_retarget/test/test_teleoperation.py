"""All decisions of a cycle, on a clock that the test moves by hand, before a robot with a lag."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.solver import Retargeter
from amt_retarget.retarget.teleoperation import GAP_S, Teleoperation
from amt_retarget.robot.robot import Robot
from amt_retarget.safety.hand_input import HandInput
from amt_retarget.safety.measured_joints import MeasuredJoints
from amt_retarget.safety.operator import Operator
from amt_retarget.safety.state import Reason, State
from amt_retarget.safety.watchdog import InputWatchdog

PERIOD_S = 0.008
IMAGE_S = 1 / 30
LAG = 0.3
"""Share of the way to the command that the robot goes in a cycle."""
RIGHT = 2


class World:
    """A person, an operator and a robot around one Teleoperation; and what was sent."""

    def __init__(self, clock, hand: Callable[[float], np.ndarray], **operator: object) -> None:
        self.clock = clock
        self.hand = hand
        self.robot = Robot.load("ur5e", "right")
        self.control = Teleoperation(
            Retargeter(self.robot),
            Operator(clock=clock, **operator),
            MeasuredJoints(self.robot, clock=clock),
            HandInput(InputWatchdog(clock=clock), clock),
            following_tolerance=0.2,
            period_s=PERIOD_S,
            clock=clock,
        )
        self.joints = self.robot.home.copy()
        self.sent: list[np.ndarray | None] = []
        self.image = self.state_stamp = 0.0
        self.shows = self.reports = self.moves = True
        self.offset = np.zeros(3)
        self.start = clock.now

    def run(self, seconds: float) -> State:
        """Let time pass; the state at the end."""
        for _ in range(round(seconds / PERIOD_S)):
            self.clock.now += PERIOD_S
            if self.shows and self.clock.now - self.image >= IMAGE_S:
                self.image = self.clock.now
                self.show()
            if self.reports:
                self.control.measured.take(
                    self.robot.joint_names, self.joints.tolist(), self.clock.now
                )
            command = self.control.cycle().command
            self.sent.append(None if command is None else command.positions)
            if command is not None and self.moves:
                self.joints = self.joints + LAG * (command.positions - self.joints)
        return self.control.states.state

    def show(self, stamp: float | None = None, broken: bool = False) -> None:
        """One hand that moves to and fro and closes."""
        time = self.clock.now - self.start
        joints = self.hand(0.4 + 0.4 * np.sin(2 * time)) + np.array([0.5, 0.1 * np.sin(time), 0.4])
        joints = joints + self.offset
        if broken:
            joints[3] = np.nan
        now = self.clock.now
        self.control.hands.see(joints, RIGHT, now if stamp is None else stamp, now, 0.9)

    @property
    def reasons(self) -> Reason:
        return self.control.states.reasons

    def silent(self, seconds: float) -> bool:
        """Whether nothing was sent of late."""
        return all(command is None for command in self.sent[-round(seconds / PERIOD_S) :])

    def check_limits(self) -> None:
        """Every command after another keeps the limits; a first one starts at rest."""
        limits = self.control.retargeter.limits
        last, velocity = None, np.zeros(22)
        for command in self.sent:
            if command is None:
                last, velocity = None, np.zeros(22)
                continue
            if last is not None:
                now = (command - last) / PERIOD_S
                assert (np.abs(now) <= limits.velocity + 1e-6).all()
                assert (np.abs(now - velocity) / PERIOD_S <= limits.acceleration + 1e-4).all()
                velocity = now
            assert (command >= limits.lower - 1e-9).all() and (command <= limits.upper + 1e-9).all()
            last = command


@pytest.fixture
def world(clock, make_hand) -> World:
    """An armed robot that follows the hand."""
    world = World(clock, make_hand)
    world.run(0.2)
    assert world.control.arm() == ""
    assert world.run(2.0) == State.TRACK
    return world


def test_nothing_moves_before_it_is_armed(clock, make_hand):
    world = World(clock, make_hand)
    assert world.run(1.0) == State.INACTIVE
    assert world.reasons == Reason.NOT_ENABLED
    assert world.silent(1.0)
    assert world.control.arm() == ""
    assert world.run(0.1) == State.RAMP
    first = next(command for command in world.sent if command is not None)
    np.testing.assert_allclose(first, world.robot.home, atol=1e-3)
    assert world.run(2.0) == State.TRACK
    world.check_limits()


def test_without_require_enable_the_first_hand_begins(clock, make_hand):
    world = World(clock, make_hand, require_enable=False)
    assert world.run(2.0) == State.TRACK


def test_arming_is_refused_without_joint_states_and_with_the_stop_pressed(clock, make_hand):
    world = World(clock, make_hand)
    assert "joint states" in world.control.arm()
    world.run(0.1)
    world.control.operator.emergency_stop = True
    assert "emergency stop" in world.control.arm()
    assert not world.control.operator.armed


def test_disarming_brakes_and_then_nothing_is_sent(world):
    world.control.disarm()
    assert world.run(0.02) == State.HOLD
    assert world.run(1.0) == State.INACTIVE
    assert world.reasons == Reason.NOT_ENABLED
    assert world.silent(0.3)
    world.check_limits()


@pytest.mark.parametrize("fault", ["silence", "frozen stamps", "late", "future"])
def test_a_dead_or_stale_source_is_held_within_60_ms(world, fault):
    world.shows = False
    world.show()
    frozen = world.clock.now
    waited = 0.0
    while world.control.states.state == State.TRACK:
        world.run(PERIOD_S)
        waited += PERIOD_S
        now = world.clock.now
        stamps = {"frozen stamps": frozen, "late": now - 0.6, "future": now + 100.0}
        if fault in stamps:
            world.show(stamps[fault])
    assert world.control.states.state == State.HOLD
    assert Reason.INPUT_STALE in world.reasons
    assert (Reason.CLOCK_JUMPED in world.reasons) == (fault == "future")
    assert waited <= 0.06
    world.shows = True
    assert world.run(2.0) == State.TRACK
    world.check_limits()


def test_a_source_that_sees_no_hand_is_held_and_named(world):
    world.shows = False
    for _ in range(10):
        world.run(0.01)
        world.control.hands.miss(Reason.LOW_CONFIDENCE, world.clock.now, world.clock.now)
    assert world.control.states.state == State.HOLD
    assert world.reasons == Reason.LOW_CONFIDENCE


def test_one_broken_hand_brakes_for_one_image(world):
    world.clock.now += 1e-3
    world.image = world.clock.now
    world.show(broken=True)
    assert world.run(PERIOD_S) == State.HOLD
    assert world.reasons == Reason.INPUT_NOT_FINITE
    assert world.run(0.1) in (State.RAMP, State.TRACK)
    world.check_limits()


def test_a_hand_that_teleports_is_held_and_then_tied_anew(world):
    world.offset = np.array([0.0, 1.5, 0.0])
    assert world.run(0.1) == State.HOLD
    assert world.reasons == Reason.INPUT_JUMPED
    before = world.sent[-1]
    world.run(2.0)
    assert np.abs(world.sent[-1][:6] - before[:6]).max() < 0.6
    world.check_limits()


@pytest.mark.parametrize("lost", ["silent", "frozen stamp", "other names", "arm only", "nan"])
def test_lost_joint_states_are_held_within_60_ms(world, lost):
    world.reports = False
    names, joints, stamp = world.robot.joint_names, world.joints.tolist(), world.clock.now
    waited = 0.0
    while world.control.states.state == State.TRACK:
        world.run(PERIOD_S)
        waited += PERIOD_S
        take, now = world.control.measured.take, world.clock.now
        if lost == "frozen stamp":
            take(names, joints, stamp)
        elif lost == "other names":
            take([f"x_{name}" for name in names], joints, now)
        elif lost == "arm only":
            take(names[:6], joints[:6], now)
        elif lost == "nan":
            take(names, [*joints[:-1], float("nan")], now)
    assert world.reasons == Reason.JOINT_STATE_MISSING
    assert waited <= 0.06
    world.reports = True
    assert world.run(2.0) == State.TRACK
    world.check_limits()


def test_a_robot_that_does_not_follow_is_a_fault(world):
    world.moves = False
    world.offset = np.array([0.0, 0.4, 0.2])
    assert world.run(3.0) == State.FAULT
    assert Reason.ROBOT_NOT_FOLLOWING in world.reasons
    assert world.silent(0.5)
    world.moves = True
    assert world.run(1.0) == State.FAULT
    stands = world.joints.copy()
    assert world.control.arm() == ""
    count = len(world.sent)
    assert world.run(2.0) == State.TRACK
    first = next(command for command in world.sent[count:] if command is not None)
    np.testing.assert_allclose(first, stands, atol=0.02)
    world.check_limits()


def test_a_robot_that_is_pushed_away_is_a_fault(world):
    world.joints[1] += 0.5
    world.moves = False
    assert world.run(0.5) == State.FAULT
    assert Reason.ROBOT_NOT_FOLLOWING in world.reasons


def test_the_emergency_stop_is_latched(world):
    world.control.operator.emergency_stop = True
    assert world.run(PERIOD_S) == State.FAULT
    assert world.run(1.0) == State.FAULT
    assert world.silent(0.3)
    assert "emergency stop" in world.control.arm()
    world.control.operator.emergency_stop = False
    assert world.run(1.0) == State.FAULT
    assert world.silent(0.3)
    assert world.control.arm() == ""
    assert world.run(2.0) == State.TRACK
    world.check_limits()


def test_the_deadman_switch_brakes_and_lets_the_hand_go_elsewhere(clock, make_hand):
    world = World(clock, make_hand, require_deadman=True)
    world.run(0.1)
    world.control.arm()
    assert world.run(0.5) == State.INACTIVE
    assert world.reasons == Reason.DEADMAN_RELEASED

    def hold(seconds: float) -> State:
        for _ in range(round(seconds / 0.04)):
            world.control.operator.heartbeat(True)
            world.run(0.04)
        return world.control.states.state

    assert hold(2.0) == State.TRACK
    assert world.run(0.2) == State.HOLD  # the heartbeats end
    assert world.reasons == Reason.DEADMAN_RELEASED
    world.run(0.5)
    before = world.sent[-1]
    world.offset = np.array([0.0, 0.3, 0.0])
    world.run(0.5)
    hold(2.0)
    assert np.abs(world.sent[-1][:6] - before[:6]).max() < 0.3  # the offset is not followed
    world.control.operator.heartbeat(False)
    assert world.run(PERIOD_S) == State.HOLD  # at once
    world.check_limits()


@pytest.mark.parametrize("how", ["program", "speed", "driver"])
def test_a_robot_that_stopped_itself_is_left_alone_and_met_where_it_is(world, how):
    world.control.program_running = how != "program"
    world.control.speed_scaling = float(how != "speed")
    world.control.drivers_listen = how != "driver"
    assert world.run(1.0) == State.HOLD
    missing, stopped = Reason.DRIVER_MISSING, Reason.ROBOT_STOPPED
    assert world.reasons == (missing if how == "driver" else stopped)
    assert world.silent(0.3)
    world.joints[0] += 0.4  # by hand
    world.control.program_running, world.control.speed_scaling = True, 1.0
    world.control.drivers_listen = True
    count = len(world.sent)
    world.run(2.0)
    first = next(command for command in world.sent[count:] if command is not None)
    assert abs(first[0] - world.joints[0]) < 0.4
    world.check_limits()


def test_speed_scaling_slows_down(world):
    for share in (0.1, 0.02):
        world.control.speed_scaling = share
        world.run(0.3)
        count = len(world.sent)
        world.offset = world.offset + np.array([0.0, 0.2, 0.0])
        world.run(0.5)
        speeds = np.abs(np.diff(np.array(world.sent[count:]), axis=0)) / PERIOD_S
        allowed = share * world.control.retargeter.limits.velocity
        assert (speeds <= allowed + 1e-6).all()
    world.check_limits()


def test_after_a_pause_of_the_process_it_begins_anew_where_the_robot_is(world):
    world.clock.now += 2 * GAP_S
    world.joints[2] += 0.1
    stands, count = world.joints.copy(), len(world.sent)
    world.run(0.3)
    assert world.sent[count] is None
    first = next(command for command in world.sent[count:] if command is not None)
    np.testing.assert_allclose(first, stands, atol=1e-6)


def test_a_moving_robot_is_not_commanded_until_it_stands(clock, make_hand):
    world = World(clock, make_hand, require_enable=False)
    for _ in range(100):
        world.joints[0] += 0.01
        world.run(PERIOD_S)
    assert world.control.states.state == State.INACTIVE
    assert world.reasons == Reason.ROBOT_MOVING
    assert world.silent(0.5)
    assert world.run(2.0) == State.TRACK


def test_a_grasp_is_refused_where_the_robot_may_not_move(world):
    world.control.check_allowed()
    world.control.disarm()
    with pytest.raises(RetargetError, match="not armed"):
        world.control.check_allowed()


def test_whatever_happens_no_limit_is_broken(clock, make_hand):
    """Ten minutes of random faults of all kinds."""
    random = np.random.default_rng(0)
    world = World(clock, make_hand, require_deadman=True)
    control = world.control
    states = set()
    for _ in range(3000):
        event = random.integers(14)
        world.shows = bool(random.random() < 0.9)
        world.reports = bool(random.random() < 0.95)
        if event == 0:
            control.disarm()
        elif event == 1:
            world.show(broken=True)
        elif event == 2:
            world.offset = random.normal(0, 0.5, 3)
        elif event == 3:
            control.speed_scaling = float(random.choice([0.0, 0.1, 0.5, 1.0]))
        elif event == 4:
            control.program_running = bool(random.random() < 0.7)
        elif event == 5:
            control.operator.emergency_stop = bool(random.random() < 0.3)
        elif event == 6:
            world.show(world.clock.now + float(random.choice([-10.0, -0.2, 0.0, 10.0])))
        elif event == 7:
            clock.now += float(random.choice([0.01, 0.1, 1.0]))  # the process was stopped
        elif event == 8:
            pushed = world.joints + random.normal(0, 0.02, 22)
            world.joints = np.clip(pushed, world.robot.lower, world.robot.upper)
        elif event in (9, 10):
            control.arm()
        control.operator.heartbeat(bool(random.random() < 0.97))
        states.add(world.run(random.integers(1, 15) * PERIOD_S))
    assert states == {State.INACTIVE, State.HOLD, State.RAMP, State.TRACK, State.FAULT}
    assert sum(command is not None for command in world.sent) > 2000
    world.check_limits()
