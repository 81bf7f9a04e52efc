"""A lifecycle node that can start itself."""

from __future__ import annotations

import traceback

from lifecycle_msgs.srv import ChangeState
from rclpy.context import Context
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from amt_retarget.ros.lifetime import NodeFailureError


class SelfStartingLifecycleNode(LifecycleNode):
    """Lifecycle node with the parameter `autostart`: configure and activate without a manager.

    A subclass implements `configure`, `activate`, `deactivate` and `cleanup`. They may raise one of
    `user_errors`: with autostart the process ends with that sentence; under a manager the
    transition fails, the sentence is logged, and the node stays where it was.
    """

    user_errors: tuple[type[Exception], ...] = ()

    def __init__(self, name: str, context: Context | None = None) -> None:
        super().__init__(name, context=context)
        self._survive_wrong_transitions()
        self._autostart = bool(self.declare_parameter("autostart", True).value)
        self._failure = ""
        self._starting = False

    def _survive_wrong_transitions(self) -> None:
        """Answer a request for a transition that the state does not have with success = false.

        rclpy (7.1) raises in the service's callback, which would end the node.
        """
        change_state = self._service_change_state.callback

        def answer(
            request: ChangeState.Request, response: ChangeState.Response
        ) -> ChangeState.Response:
            try:
                return change_state(request, response)
            except RuntimeError:  # base of rclpy's RCLError, which is not public
                asked = request.transition.label or request.transition.id
                state = self._state_machine.current_state[1]
                self.get_logger().warning(f"There is no transition {asked} from {state}.")
                response.success = False
                return response

        self._service_change_state.callback = answer

    def start(self) -> None:
        """Configure and activate if `autostart` says so. Raises NodeFailureError if that fails."""
        if not self._autostart:
            return
        self._starting = True
        for trigger in (self.trigger_configure, self.trigger_activate):
            if trigger() != TransitionCallbackReturn.SUCCESS:
                raise NodeFailureError(self._failure or f"{trigger.__name__} failed.")
        self._starting = False

    def finish(self) -> None:
        """Deactivate before the process ends, if active (see lifetime.Finishing)."""
        if self._state_machine.current_state[1] == "active":
            self.trigger_deactivate()

    def configure(self) -> None:
        """Read parameters, load what is needed, create publishers."""

    def activate(self) -> None:
        """Begin to listen and to publish."""

    def deactivate(self) -> None:
        """Stop listening and publishing."""

    def cleanup(self) -> None:
        """Give everything back."""

    def _transition(self, action: str) -> TransitionCallbackReturn:
        try:
            getattr(self, action)()
        except self.user_errors as error:
            self._failure = str(error)
            if not self._starting:
                self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        except Exception:
            self.get_logger().error(traceback.format_exc())  # rclpy passes over it silently
            raise
        return TransitionCallbackReturn.SUCCESS

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("configure")

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = self._transition("activate")
        return super().on_activate(state) if result == TransitionCallbackReturn.SUCCESS else result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        super().on_deactivate(state)
        return self._transition("deactivate")

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("cleanup")

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("cleanup")
