"""The table of faults: what is done, and which state must answer it, for which reason, how soon."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from signal import SIGKILL, SIGSTOP
from typing import TYPE_CHECKING

from amt_msgs.msg import HandPose

from amt_retarget.safety.state import NO_REASON, Reason, State
from benchmarks.robot_safety import camera
from benchmarks.robot_safety import disturbances as d
from benchmarks.robot_safety.setups import IMAGES, IMAGES_TIMEOUT_S

if TYPE_CHECKING:
    from benchmarks.robot_safety.world import World

Begin = Callable[["World"], object]

DEAD_S = 0.060
"""A dead or stale source stops new commands within this time, worst case."""
BAD_S = 0.100
"""A source that lives and sends what must not be followed: one image later at the latest."""
TOLD_S = 0.050
"""An operator or a robot that says stop."""
HEARTBEAT_S = 0.170
"""A deadman switch's heartbeat that ends: 0.15 s and a cycle."""
PUSHED_S = 0.150
"""A joint that is far from where it was sent, and not in one reading alone."""
FOLLOWING_S = 1.5
"""A robot that does not go where it is sent shows only once it should have gone."""

STAYS = (State.RAMP, State.TRACK)
HOLDS = (State.HOLD,)
STOPS = (State.HOLD, State.INACTIVE)
"""HOLD while it brakes; INACTIVE once it is at rest and silent."""
FAULTS = (State.FAULT,)

BOTH = ("jtc", "forward")
FAST = ("fast",)
MOVING = ("fast", "turning")
MOST = ("standing", "ramp", "fast")
ALL = ("standing", "ramp", "fast", "turning")


@dataclass(frozen=True)
class Fault:
    """One kind of fault."""

    name: str
    family: str
    begin: Begin
    states: tuple[State, ...]
    """One of these must be reached; STAYS: no other may be reached."""
    reasons: Reason
    """One of these must be given; none where the fault must not matter."""
    within_s: float
    motions: tuple[str, ...] = ("ramp", "fast")
    lasts_s: float = 0.6
    passing: bool = False
    """Good input comes again while the fault lasts, and is followed again."""
    silent: bool = False
    """At its end no commands are sent any more."""
    rearm: bool = False
    """Nothing moves afterwards until the operator arms it again."""
    deadman_only: bool = False
    stream: str = ""
    """What ends or is disturbed, "hands" or "joint states": time runs from its last good one."""
    unbraked: tuple[str, ...] = ()
    """Interfaces with which nothing of ours brakes the robot: its measured joints are not judged.
    A forward controller stands dead where its stream ends; a frozen one has old commands queued."""
    check: Callable[[World], str] = lambda world: ""
    """Called while the fault lasts; a sentence about what is wrong, or nothing."""

    @property
    def stays(self) -> bool:
        """Whether the fault must make no difference."""
        return self.states == STAYS


def _hand(
    name: str, make: Callable[[], d.Disturbance], reasons: Reason, within_s: float = BAD_S,
    motions: tuple[str, ...] = ("ramp", "fast"), passing: bool = False, lasts_s: float = 0.6,
) -> Fault:  # fmt: skip
    """A fault of the stream of hands. make: a new disturbance, as some have a memory."""
    states = HOLDS if reasons else STAYS
    return Fault(
        name, "hands", lambda world: world.disturb_hands(make()), states, reasons, within_s,
        motions, lasts_s, passing, stream="hands",
    )  # fmt: skip


def _joints(
    name: str, make: Callable[[], d.Disturbance], reasons: Reason = Reason.JOINT_STATE_MISSING,
    within_s: float = BAD_S, motions: tuple[str, ...] = ("ramp", "fast"),
    states: tuple[State, ...] = HOLDS, passing: bool = False, lasts_s: float = 0.6,
) -> Fault:  # fmt: skip
    """A fault of the stream of joint states."""
    return Fault(
        name, "joint states", lambda world: world.disturb_states(make()), states, reasons,
        within_s, motions, lasts_s, passing, rearm=states == FAULTS, silent=states == FAULTS,
        stream="joint states",
    )  # fmt: skip


STALE, JUMPED, MISSING = Reason.INPUT_STALE, Reason.INPUT_JUMPED, Reason.JOINT_STATE_MISSING
CLOCK, NOT_FINITE, LOST = Reason.CLOCK_JUMPED, Reason.INPUT_NOT_FINITE, Reason.HAND_LOST
CONFIDENCE, SIDE, FRAME = Reason.LOW_CONFIDENCE, Reason.WRONG_SIDE, Reason.TRANSFORM_MISSING
AWAY, STOPPED = Reason.ROBOT_NOT_FOLLOWING, Reason.ROBOT_STOPPED
NAN, INF = math.nan, math.inf

HAND_FAULTS = (
    _hand("hands end", lambda: d.silent, STALE, DEAD_S, ALL),
    _hand("one image is lost", lambda: d.drops(1, 10**9), STALE, DEAD_S, MOVING, True),
    _hand("every second image is lost", lambda: d.drops(1, 2), STALE, DEAD_S, FAST, True),
    _hand("three of four images are lost", lambda: d.drops(3, 4), STALE, DEAD_S, FAST, True),
    _hand("hands arrive 0.25 s late", lambda: d.delayed(0.25), STALE, DEAD_S, MOST, True),
    _hand("hands arrive 0.7 s late", lambda: d.delayed(0.7), STALE, DEAD_S, FAST, lasts_s=1.2),
    _hand("images are 0.7 s old", lambda: d.stamped(-0.7), STALE | CLOCK, DEAD_S, MOST),
    _hand("every hand twice", lambda: d.twice, NO_REASON, motions=MOST),
    _hand("the same hand again and again", d.repeating, STALE, BAD_S, ALL),
    _hand("older hands between", d.older_ones_between, NO_REASON, motions=ALL),
    _hand("stamps run backwards", d.stamps_run_backwards, STALE | CLOCK, DEAD_S, MOST),
    _hand("a joint is not a number", lambda: d.joint_value(NAN, 8), NOT_FINITE, motions=MOST),
    _hand("all joints are not numbers", lambda: d.joint_value(NAN), NOT_FINITE),
    _hand("a joint is infinite", lambda: d.joint_value(INF, 5), NOT_FINITE),
    _hand("the wrist is infinite", lambda: d.joint_value(-INF, 0), NOT_FINITE),
    _hand("a joint is at 1e30 m", lambda: d.joint_value(1e30, 12), NOT_FINITE),
    _hand("a hand without size", lambda: d.joint_value(0.6), NOT_FINITE, motions=MOST),
    _hand("a hand of ten times the size", lambda: d.resized(10.0), NOT_FINITE),
    _hand("the hand is elsewhere in one image",
          lambda: d.only_one(d.teleported(0.4, 2.0)), JUMPED, BAD_S, ALL, True),
    _hand("the hand jumps 0.3 to 0.6 m", lambda: d.teleported(0.3, 0.6), JUMPED, BAD_S, ALL, True),
    _hand("the hand jumps 0.6 to 2 m",
          lambda: d.teleported(0.6, 2.0), JUMPED, BAD_S, MOST, True, 0.25),
    _hand("a left hand", lambda: d.hand_field(side=HandPose.SIDE_LEFT), SIDE, motions=MOST),
    _hand("a hand of unknown side", lambda: d.hand_field(side=HandPose.SIDE_UNKNOWN), SIDE),
    _hand("a left hand beside it", lambda: d.another_person, NO_REASON, motions=MOST),
    _hand("confidence 0", lambda: d.hand_field(confidence=0.0), CONFIDENCE, motions=MOST),
    _hand("confidence is not a number", lambda: d.hand_field(confidence=NAN), CONFIDENCE),
    _hand("the track is lost", lambda: d.hand_field(state=HandPose.STATE_LOST), LOST),
    _hand("no hand in the image", lambda: d.no_hand, LOST, motions=ALL),
    _hand("an unknown camera frame", lambda: d.in_an_unknown_frame, FRAME),
    _hand("stamps 10 s ahead", lambda: d.stamped(10.0), CLOCK, motions=MOST),
    _hand("stamps 0.7 s ahead", lambda: d.stamped(0.7), CLOCK),
    _hand("stamps 0.2 s ahead", lambda: d.stamped(0.2), NO_REASON),
    _hand("stamps 10 s back", lambda: d.stamped(-10.0), CLOCK | STALE, motions=MOST),
    _hand("no stamps", lambda: d.stamped_zero, CLOCK | STALE),
)  # fmt: skip

JOINT_FAULTS = (
    _joints("joint states end", lambda: d.silent, within_s=DEAD_S, motions=ALL),
    _joints("joint states arrive 0.3 s late", lambda: d.delayed(0.3), MISSING | AWAY, DEAD_S,
            FAST, (State.HOLD, State.FAULT), True),
    _joints("the same joint state again and again", d.repeating, motions=MOST),
    _joints("joint states stay the same", d.stuck, AWAY, FOLLOWING_S, FAST, FAULTS, lasts_s=1.8),
    _joints("every joint state twice", lambda: d.twice, NO_REASON, states=STAYS),
    _joints("older joint states between", d.older_ones_between, NO_REASON, states=STAYS),
    _joints("joint states in another order", lambda: d.other_order, NO_REASON, states=STAYS),
    _joints("a position is not a number", lambda: d.one_position(NAN), motions=MOST),
    _joints("a position is infinite", lambda: d.one_position(INF)),
    _joints("wrong joint names", lambda: d.other_names, motions=MOST),
    _joints("one joint is missing", lambda: d.without_joints("elbow")),
    _joints("the thumb is missing", lambda: d.without_joints("thumb")),
    _joints("fewer positions than names", lambda: d.too_few_positions, motions=MOST),
    _joints("the robot is pushed by 0.5 rad", lambda: d.pushed(0.5), AWAY, PUSHED_S, ALL, FAULTS),
)  # fmt: skip


def _arming_is_refused(world: World) -> str:
    accepted, _ = world.set_enabled(True)
    return "it could be armed under an emergency stop" if accepted else ""


def _released_stays_stopped(world: World) -> str:
    world.controls.emergency_stop(False)
    world.wait(0.3)
    return "" if world.state == State.FAULT else "it left FAULT without being armed"


def _slow(world: World) -> str:
    share = world.speed_share(0.2)
    return "" if share <= 0.105 else f"it moved at {100 * share:.0f} % of its limits"


def _unarmed_after_restart(world: World) -> str:
    world.statuses.keep_last(0)
    world.processes["retarget_node"].start()
    world.wait_until(lambda: world.state is not None, "the retarget node is back")
    first = len(world.commands)
    world.wait(1.0)
    if world.state != State.INACTIVE or not world.reasons & Reason.NOT_ENABLED:
        return f"after its restart it was {world.state_text}, not INACTIVE and NOT_ENABLED"
    return "commands were sent before it was armed" if len(world.commands) > first else ""


def _disarmed_for_the_restart(world: World) -> str:
    """The simulated robot starts at home: a hold at the old place would be a jump."""
    world.set_enabled(False)
    world.wait(0.5)
    return "" if world.state == State.INACTIVE else "it could not be disarmed"


def _press(world: World) -> None:
    world.controls.emergency_stop(True)


def _operator(
    name: str, begin: Begin, states: tuple[State, ...], reasons: Reason, within_s: float = TOLD_S,
    **more: object,
) -> Fault:  # fmt: skip
    """What a person or the robot's own controller does: in the ramp and in full motion."""
    more = {"motions": ("ramp", "fast", "turning"), "silent": True, "lasts_s": 1.0} | more
    return Fault(name, "operator", begin, states, reasons, within_s, **more)  # type: ignore[arg-type]


NOT_ENABLED, DEADMAN, ESTOP = (
    Reason.NOT_ENABLED, Reason.DEADMAN_RELEASED, Reason.EMERGENCY_STOP,
)  # fmt: skip
OPERATOR_FAULTS = (
    _operator("disarmed", lambda world: world.set_enabled(False), STOPS, NOT_ENABLED, rearm=True),
    _operator("emergency stop", _press, FAULTS, ESTOP,
              rearm=True),
    _operator("armed under an emergency stop", _press, FAULTS,
              ESTOP, rearm=True, check=_arming_is_refused),
    _operator("emergency stop released again", _press, FAULTS,
              ESTOP, rearm=True, check=_released_stays_stopped),
    _operator("deadman released", lambda world: world.controls.hold_deadman(False), STOPS, DEADMAN,
              deadman_only=True, silent=False),
    _operator("deadman's heartbeat ends", lambda world: world.controls.hold_deadman(None), STOPS,
              DEADMAN,
              HEARTBEAT_S, deadman_only=True, silent=False),
    _operator("speed scaling 0", lambda world: world.controls.speed_scaling(0.0), STOPS, STOPPED),
    _operator("speed scaling 10 %", lambda world: world.controls.speed_scaling(10.0), STAYS,
              NO_REASON,
              motions=("fast",), silent=False, lasts_s=1.5, check=_slow),
    _operator("the robot's program stops", lambda world: world.controls.program_running(False),
              STOPS,
              STOPPED),
)  # fmt: skip


def _process(name: str, begin: Begin, reasons: Reason, **more: object) -> Fault:
    more = {"motions": MOST} | more
    return Fault(name, "processes", begin, HOLDS, reasons, DEAD_S, **more)  # type: ignore[arg-type]


PROCESS_FAULTS = (
    _process("the source of hands is killed", lambda world: world.signal("source", SIGKILL), STALE,
             motions=ALL, stream="hands"),
    _process("the source of hands is stopped", lambda world: world.signal("source", SIGSTOP), STALE,
             motions=ALL, stream="hands"),
    _process("the robot's node is killed", lambda world: world.signal("mujoco_node", SIGKILL),
             MISSING,
             motions=("fast",), stream="joint states", rearm=True, unbraked=BOTH,
             check=_disarmed_for_the_restart),
    _process("the robot's node is stopped", lambda world: world.signal("mujoco_node", SIGSTOP),
             MISSING, stream="joint states", unbraked=BOTH),
    Fault("the retarget node is killed", "processes",
          lambda world: world.signal("retarget_node", SIGKILL), (), NO_REASON, DEAD_S,
          ("fast",), silent=True, rearm=True, unbraked=("forward",), check=_unarmed_after_restart),
    Fault("the retarget node is stopped for 0.4 s", "processes",
          lambda world: world.stop_retarget(0.4), (State.HOLD, State.RAMP, State.TRACK), NO_REASON,
          1.0, MOVING, passing=True),
)  # fmt: skip

IMAGE_S = IMAGES_TIMEOUT_S + IMAGES.image_period_s + 0.020
"""A tracker may see a hand in one more image."""


def _image(
    name: str, make: Callable[[], d.Disturbance], reasons: Reason,
    states: tuple[State, ...] = HOLDS,
) -> Fault:  # fmt: skip
    """A fault of the camera's images, on their way through the real perception node."""
    return Fault(
        name, "images", lambda world: world.disturb_hands(make()), states, reasons, IMAGE_S,
        ("filmed",), 1.2, passing=states != HOLDS, stream="hands",
    )  # fmt: skip


EITHER = (State.HOLD, State.RAMP, State.TRACK)
"""Images in which a hand may be found or not: what matters is how the robot moves."""
IMAGE_FAULTS = (
    _image("the camera is unplugged", lambda: d.silent, STALE),
    _image("the images are black", lambda: camera.black, LOST),
    _image("images with too few bytes", lambda: camera.truncated, STALE),
    _image("images of an unknown encoding", lambda: camera.unknown_encoding, STALE),
    _image("the images' size changes", lambda: camera.cropped(0.75), NO_REASON, EITHER),
    _image("the images' size changes from one to the next", lambda: camera.alternately_cropped,
           NO_REASON, EITHER),
    _image("the same image again and again", d.repeating, STALE),
)  # fmt: skip

FAULT_TABLE = HAND_FAULTS + JOINT_FAULTS + OPERATOR_FAULTS + PROCESS_FAULTS
