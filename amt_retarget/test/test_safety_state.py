"""States and reasons over sequences of cycles."""

import pytest

from amt_retarget.safety.state import FAULTS, NO_REASON, Reason, State, StateMachine


def test_nothing_is_sent_before_the_first_usable_hand():
    machine = StateMachine()
    assert machine.state == State.INACTIVE
    for reasons in (Reason.NO_INPUT_YET, Reason.NOT_ENABLED, Reason.JOINT_STATE_MISSING):
        assert machine.wait(reasons) == State.INACTIVE
        assert machine.reasons == reasons
    assert machine.follow(NO_REASON, ramp=0.0) == State.RAMP


def test_ramp_becomes_track_and_loss_becomes_hold():
    machine = StateMachine()
    machine.follow(NO_REASON, ramp=0.0)
    assert machine.follow(NO_REASON, ramp=0.99) == State.RAMP
    assert machine.follow(NO_REASON, ramp=1.0) == State.TRACK
    assert machine.follow(Reason.INPUT_STALE, ramp=1.0) == State.HOLD
    assert machine.follow(NO_REASON, ramp=0.4) == State.RAMP


def test_a_robot_that_stopped_itself_is_held_and_a_disarmed_one_is_inactive():
    machine = StateMachine()
    machine.follow(NO_REASON, ramp=1.0)
    assert machine.wait(Reason.ROBOT_STOPPED) == State.HOLD
    assert machine.wait(Reason.ROBOT_STOPPED | Reason.NOT_ENABLED) == State.INACTIVE


@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_fault_stays_until_reset(fault):
    machine = StateMachine()
    machine.follow(NO_REASON, ramp=1.0)
    assert machine.follow(fault, ramp=1.0) == State.FAULT
    assert machine.follow(NO_REASON, ramp=1.0) == State.FAULT
    assert machine.wait(Reason.NOT_ENABLED) == State.FAULT
    assert machine.reasons == fault | Reason.NOT_ENABLED
    machine.reset()
    assert machine.state == State.INACTIVE
    assert machine.follow(NO_REASON, ramp=0.0) == State.RAMP


def test_every_reason_has_words():
    for reason in Reason:
        assert reason.text
    both = Reason.INPUT_STALE | Reason.NOT_ENABLED
    assert both.text == f"{Reason.INPUT_STALE.text}; {Reason.NOT_ENABLED.text}"
    assert NO_REASON.text == ""


def test_values_are_those_of_the_message():
    messages = pytest.importorskip("amt_msgs.msg")
    for state in State:
        assert getattr(messages.RetargetStatus, f"STATE_{state.name}") == state
    for reason in Reason:
        assert getattr(messages.RetargetStatus, f"REASON_{reason.name}") == reason


def test_a_grasp_has_a_state_of_its_own() -> None:
    states = StateMachine()
    assert states.execute(NO_REASON) == State.GRASP
    assert states.execute(Reason.GRASP_STOPPED) == State.HOLD
    assert states.execute(Reason.COMMAND_REFUSED) == State.FAULT
    assert states.execute(NO_REASON) == State.FAULT
