"""From a camera or a video to an Allegro hand on a UR arm.

    ros2 launch amt_perception pipeline.launch.py video:=FILE robot:=ur5e hand:=right simulate:=true

The arguments stand in amt_perception/pipeline/argument_lists.py, the nodes in table.py beside it.
"""

import difflib
import sys
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    LogInfo,
    OpaqueFunction,
    SetEnvironmentVariable,
    Shutdown,
    TimerAction,
)
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from amt_perception.pipeline import table
from amt_perception.pipeline.arguments import ARGUMENTS, Values, complete, describe, is_true


def _node(process: table.NodeProcess, values: Values) -> Node:
    levels = [
        word
        for name in process.loggers
        for word in ("--log-level", f"{name}:={values['log_level']}")
    ]
    enclave = table.enclave_words(process, values)

    def on_exit(event: ProcessExited, context: LaunchContext) -> list[Action] | None:
        return _after(event, context, process, values)

    return Node(
        package=process.package,
        executable=process.executable,
        # A name would be given to every node of a composed process.
        name=None if process.words else process.executable,
        namespace=process.namespace,
        parameters=[process.parameters, *filter(None, [values["params_file"]])],
        arguments=[*process.words, "--ros-args", *levels, *enclave],
        output="screen",
        on_exit=on_exit,
    )


def _after(
    event: ProcessExited, context: LaunchContext, process: table.NodeProcess, values: Values
) -> list[Action] | None:
    """End all nodes when the video has ended; start a node that died again, or fail with it."""
    if context.is_shutdown:
        return None
    if event.returncode == 0 and process.plays_video:
        return [Shutdown(reason="the video has ended")]
    if is_true(values["use_respawn"]):
        said = LogInfo(msg=f"{process.label} has ended ({event.returncode}): it is started again")
        again = TimerAction(period=table.RESPAWN_DELAY_S, actions=[_node(process, values)])
        return [said, again]
    raise RuntimeError(f"{process.label} has ended ({event.returncode}): see its messages above")


def _start(context: LaunchContext) -> list[Action]:
    _refuse_unknown(context)
    values = {
        argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS
    }
    values = complete(values)
    actions: list[Action] = []  # first what may be missing here: nothing else runs then
    if is_true(values["rviz"]):
        config = str(table.rviz_config())
        actions.append(Node(package="rviz2", executable="rviz2", arguments=["-d", config]))
    if values["record"]:
        actions.append(ExecuteProcess(cmd=table.record_command(values), output="screen"))
    return actions + [_node(process, values) for process in table.processes(values)]


def _refuse_unknown(context: LaunchContext) -> None:
    """A mistyped argument of `ros2 launch` would be passed over silently.

    A launch file that includes this one may have arguments of its own, so only the command line
    that names this file is looked at.
    """
    if Path(__file__).name not in (Path(word).name for word in sys.argv):
        return
    known = [argument.name for argument in ARGUMENTS]
    for name in context.launch_configurations:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else "--show-args lists the arguments."
            raise RuntimeError(f"Unknown argument '{name}'; {hint}")


def generate_launch_description() -> LaunchDescription:
    """All arguments, the transport settings, and the nodes that the arguments ask for."""
    arguments = [
        DeclareLaunchArgument(
            argument.name,
            default_value=argument.default,
            description=describe(argument),
            choices=argument.choices or None,
        )
        for argument in ARGUMENTS
    ]
    settings = table.transport_environment() | table.launcher_environment()
    environment = [SetEnvironmentVariable(name, value) for name, value in settings.items()]
    return LaunchDescription([*arguments, *environment, OpaqueFunction(function=_start)])
