"""From a camera or a video to an Allegro hand on a UR arm.

    ros2 launch amt_perception pipeline.launch.py video:=FILE robot:=ur5e hand:=right simulate:=true

The arguments and nodes stand in amt_perception/pipeline/table.py.
"""

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from amt_perception.pipeline import table
from amt_perception.pipeline.arguments import ARGUMENTS, Values, complete, is_true


def _node(entry: table.NodeEntry, values: Values) -> Node:
    parameters = [table.parameters(entry, values)]
    if values["params_file"]:
        parameters.append(values["params_file"])
    respawn = is_true(values["use_respawn"])
    return Node(
        package=entry.package,
        executable=entry.executable,
        name=entry.executable,
        namespace=values["namespace"],
        parameters=parameters,
        arguments=["--ros-args", "--log-level", f"{entry.executable}:={values['log_level']}"],
        output="screen",
        respawn=respawn,
        on_exit=None if respawn else _end_pipeline,
    )


def _end_pipeline(event: ProcessExited, context: LaunchContext) -> Shutdown | None:
    """End all nodes when one has ended; a failure makes `ros2 launch` fail as well."""
    if context.is_shutdown:
        return None
    if event.returncode != 0:
        raise RuntimeError(f"{event.process_name} failed: see its message above")
    return Shutdown(reason=f"{event.process_name} has ended")


def _start(context: LaunchContext) -> list[Action]:
    values = {
        argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS
    }
    values = complete(values)
    actions: list[Action] = [_node(entry, values) for entry in table.entries(values)]
    if values["record"]:
        actions.append(ExecuteProcess(cmd=table.record_command(values), output="screen"))
    return actions


def generate_launch_description() -> LaunchDescription:
    """All arguments, the transport settings, and the nodes that the arguments ask for."""
    arguments = [
        DeclareLaunchArgument(
            argument.name,
            default_value=argument.default,
            description=argument.description,
            choices=argument.choices or None,
        )
        for argument in ARGUMENTS
    ]
    environment = [
        SetEnvironmentVariable(name, value) for name, value in table.transport_environment().items()
    ]
    return LaunchDescription([*arguments, *environment, OpaqueFunction(function=_start)])
