"""Lifecycle nodes under a manager that asks for what there is not."""

from collections.abc import Iterator

import pytest
import rclpy
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor

from amt_retarget.ros.lifecycle import SelfStartingLifecycleNode


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    context = Context()
    rclpy.init(context=context, domain_id=77)
    yield context
    rclpy.shutdown(context=context)


def test_a_transition_that_there_is_not_is_refused(context: Context) -> None:
    node = SelfStartingLifecycleNode("lonely_node", context=context)
    node.start()
    manager = rclpy.create_node("manager", context=context)
    client = manager.create_client(ChangeState, "lonely_node/change_state")
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    executor.add_node(manager)
    assert client.wait_for_service(10.0)

    def ask(transition: Transition) -> bool:
        future = client.call_async(ChangeState.Request(transition=transition))
        executor.spin_until_future_complete(future, 10.0)
        return future.result().success

    assert not ask(Transition(id=Transition.TRANSITION_ACTIVATE))  # it is active
    assert not ask(Transition(id=99))
    assert not ask(Transition(label="fly"))
    assert ask(Transition(id=Transition.TRANSITION_DEACTIVATE))
    assert node._state_machine.current_state[0] == State.PRIMARY_STATE_INACTIVE
    executor.shutdown()
    for each in (node, manager):
        each.destroy_node()
