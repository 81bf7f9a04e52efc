"""States and reasons over sequences of cycles."""

from amt_retarget.safety.state import NO_REASON, Reason, State, StateMachine


def test_nothing_is_sent_before_the_first_usable_hand():
    machine = StateMachine()
    assert machine.state == State.INACTIVE
    for reasons in (Reason.NO_INPUT_YET, Reason.NOT_ENABLED, Reason.SOLVER_FAILED):
        assert machine.update(reasons, ramp=0.0) == State.INACTIVE
        assert not machine.sends_commands
    assert machine.update(NO_REASON, ramp=0.0) == State.RAMP
    assert machine.sends_commands and machine.follows


def test_ramp_becomes_track_and_loss_becomes_hold():
    machine = StateMachine()
    machine.update(NO_REASON, ramp=0.0)
    assert machine.update(NO_REASON, ramp=0.99) == State.RAMP
    assert machine.update(NO_REASON, ramp=1.0) == State.TRACK
    assert machine.update(Reason.INPUT_STALE, ramp=1.0) == State.HOLD
    assert machine.sends_commands and not machine.follows
    assert machine.update(NO_REASON, ramp=0.4) == State.RAMP


def test_a_fault_stays_until_reset():
    machine = StateMachine()
    machine.update(NO_REASON, ramp=1.0)
    assert machine.update(Reason.COMMAND_REFUSED, ramp=1.0) == State.FAULT
    assert machine.update(NO_REASON, ramp=1.0) == State.FAULT
    assert machine.sends_commands and not machine.follows
    assert machine.reasons == Reason.COMMAND_REFUSED
    machine.reset()
    assert machine.state == State.INACTIVE
    assert machine.update(NO_REASON, ramp=0.0) == State.RAMP


def test_every_reason_has_words():
    for reason in Reason:
        assert reason.text
    both = Reason.INPUT_STALE | Reason.NOT_ENABLED
    assert both.text == f"{Reason.INPUT_STALE.text}; {Reason.NOT_ENABLED.text}"
    assert NO_REASON.text == ""


def test_state_values_are_those_of_the_message():
    names = ["INACTIVE", "HOLD", "RAMP", "TRACK", "FAULT"]
    assert {name: State[name].value for name in names} == dict(zip(names, range(5), strict=True))


def test_a_grasp_has_a_state_of_its_own() -> None:
    states = StateMachine()
    assert states.execute(NO_REASON) == State.GRASP
    assert states.sends_commands and not states.follows
    assert states.execute(Reason.GRASP_STOPPED) == State.HOLD
    assert states.execute(Reason.COMMAND_REFUSED) == State.FAULT
    assert states.execute(NO_REASON) == State.FAULT
