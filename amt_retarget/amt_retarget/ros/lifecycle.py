"""A lifecycle node that can start itself."""

from __future__ import annotations

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from amt_retarget.ros.lifetime import NodeFailureError


class SelfStartingLifecycleNode(LifecycleNode):
    """Lifecycle node with the parameter `autostart`: configure and activate without a manager.

    A subclass implements `configure`, `activate`, `deactivate` and `cleanup`. They may raise one of
    `user_errors`: with autostart the process ends with that sentence; under a manager the
    transition fails, the sentence is logged, and the node stays where it was.
    """

    user_errors: tuple[type[Exception], ...] = ()

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._autostart = bool(self.declare_parameter("autostart", True).value)
        self._failure = ""

    def start(self) -> None:
        """Configure and activate if `autostart` says so. Raises NodeFailureError if that fails."""
        if not self._autostart:
            return
        for trigger in (self.trigger_configure, self.trigger_activate):
            if trigger() != TransitionCallbackReturn.SUCCESS:
                raise NodeFailureError(self._failure or f"{trigger.__name__} failed.")

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
            if not self._autostart:
                self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
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
