"""When the robot may follow, must hold, or must stay still: states and their reasons."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class State(IntEnum):
    """Values equal the constants of amt_msgs/RetargetStatus."""

    INACTIVE = 0
    """No valid hand yet: nothing is sent to the robot."""
    HOLD = 1
    """Following is not possible now: the robot brakes within its limits and stays."""
    RAMP = 2
    """Following at a growing share of the speed limits."""
    TRACK = 3
    """Following at the full speed limits."""
    FAULT = 4
    """Something is wrong with the robot side: as HOLD, until `StateMachine.reset`."""
    GRASP = 5
    """Executing a grasp, or standing at the end of one; hands are not followed."""


class Reason(IntFlag):
    """Why the robot does not follow. Values equal the bits of amt_msgs/RetargetStatus."""

    NO_INPUT_YET = 1
    INPUT_STALE = 2
    INPUT_NOT_FINITE = 4
    LOW_CONFIDENCE = 8
    WRONG_SIDE = 16
    NOT_ENABLED = 32
    JOINT_STATE_MISSING = 64
    TRANSFORM_MISSING = 128
    SOLVER_FAILED = 256
    COMMAND_REFUSED = 512
    INPUT_JUMPED = 1024
    TARGET_UNREACHABLE = 2048
    GRASP_STOPPED = 4096
    HAND_LOST = 8192
    DEADMAN_RELEASED = 16384
    EMERGENCY_STOP = 32768
    ROBOT_STOPPED = 65536
    ROBOT_NOT_FOLLOWING = 131072
    CLOCK_JUMPED = 262144
    ROBOT_MOVING = 524288
    DRIVER_MISSING = 1048576

    @property
    def text(self) -> str:
        """All reasons in words, for a status message or a log; empty when there is none."""
        return "; ".join(words for reason, words in _TEXTS.items() if reason in self)


_TEXTS = {
    Reason.NO_INPUT_YET: "no hand has been received yet",
    Reason.INPUT_STALE: "the last hand is too old",
    Reason.INPUT_NOT_FINITE: "the hand's joints are not finite or do not make a hand",
    Reason.LOW_CONFIDENCE: "the hand's confidence is too low",
    Reason.WRONG_SIDE: "the hand is not on the expected side",
    Reason.NOT_ENABLED: "the operator has not armed it (service amt/set_enabled)",
    Reason.JOINT_STATE_MISSING: "the robot's joint states are missing or old",
    Reason.TRANSFORM_MISSING: "the transform from the camera to the robot base is missing",
    Reason.SOLVER_FAILED: "the solver found no solution",
    Reason.COMMAND_REFUSED: "a command would have broken a limit",
    Reason.INPUT_JUMPED: "the hand was suddenly somewhere else",
    Reason.TARGET_UNREACHABLE: "the arm cannot reach where the hand is",
    Reason.GRASP_STOPPED: "a grasp is being planned, or has been stopped",
    Reason.HAND_LOST: "no hand is seen",
    Reason.DEADMAN_RELEASED: "the deadman switch is released (topic amt/enable)",
    Reason.EMERGENCY_STOP: "the emergency stop is pressed (topic amt/emergency_stop)",
    Reason.ROBOT_STOPPED: "the robot has stopped itself: its program does not run, or at speed 0",
    Reason.ROBOT_NOT_FOLLOWING: "the robot's joints are not where they were sent",
    Reason.CLOCK_JUMPED: "the images' stamps jumped, or lie in the future",
    Reason.ROBOT_MOVING: "the robot moves by itself: waiting until it stands",
    Reason.DRIVER_MISSING: "no driver listens to the commands of the arm or of the hand",
}

NO_REASON = Reason(0)
FAULTS = (
    Reason.SOLVER_FAILED
    | Reason.COMMAND_REFUSED
    | Reason.EMERGENCY_STOP
    | Reason.ROBOT_NOT_FOLLOWING
)
"""What the operator has to look at: the robot stays stopped until it is armed again."""
SILENT = FAULTS | Reason.NOT_ENABLED | Reason.ROBOT_STOPPED | Reason.DRIVER_MISSING
"""For these reasons commands end once the robot has been braked: others may move it then."""


class StateMachine:
    """Decides in every cycle whether the robot follows the hand, or executes a grasp.

    It has no clock: what takes time (the ramp, the age of the input) comes in as a value. Nothing
    is sent before the first cycle without any reason against it; from then on commands never just
    stop in motion, because a robot whose commands stop in full motion stops with a jerk.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start again as before the first hand; the only way out of FAULT."""
        self.state = State.INACTIVE
        self.reasons = Reason.NO_INPUT_YET

    def wait(self, reasons: Reason) -> State:
        """State for a cycle in which nothing is sent. reasons: all that speak against motion."""
        if self.state != State.FAULT:
            if reasons & FAULTS:
                self.state = State.FAULT
            elif self.state == State.INACTIVE or Reason.NOT_ENABLED in reasons:
                self.state = State.INACTIVE
            else:
                self.state = State.HOLD
        self._remember(reasons)
        return self.state

    def follow(self, reasons: Reason, ramp: float) -> State:
        """State for a cycle that commands the robot. reasons: all that speak against following.

        ramp: 0..1, the share of the speed limits that the retargeter has reached.
        """
        return self._command(State.TRACK if ramp >= 1.0 else State.RAMP, reasons)

    def execute(self, reasons: Reason) -> State:
        """State for a cycle of a grasp. reasons: all that speak against moving on."""
        return self._command(State.GRASP, reasons)

    def _command(self, state: State, reasons: Reason) -> State:
        if self.state != State.FAULT:
            if reasons & FAULTS:
                self.state = State.FAULT
            else:
                self.state = State.HOLD if reasons else state
        self._remember(reasons)
        return self.state

    def _remember(self, reasons: Reason) -> None:
        """In a fault what caused it, and every fault since."""
        kept = self.reasons & FAULTS if self.state == State.FAULT else NO_REASON
        self.reasons = kept | reasons
