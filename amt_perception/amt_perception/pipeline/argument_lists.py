"""The arguments of the pipeline by topic: what an operator can say, in which unit and range."""

from __future__ import annotations

from dataclasses import dataclass

TRUE_FALSE = ("true", "false")


@dataclass(frozen=True)
class Argument:
    """One argument of the pipeline.

    limits: lowest and highest value of a number; whole: only 1, 2, 3 ... Parts: names of the
    numbers of a pose, which may be left empty.
    """

    name: str
    default: str
    description: str
    choices: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None
    whole: bool = False
    parts: tuple[str, ...] = ()


XYZ_RPY = ("x", "y", "z", "roll", "pitch", "yaw")

IMAGES = (
    Argument(
        "video",
        "0",
        "video file, folder of images, camera (0, 1, /dev/video0), 'sample' for the built-in "
        "clip, or 'none' when another node publishes the images",
    ),
    Argument(
        "frame_rate",
        "0.0",
        "images per second (Hz): needed for a folder, asked of a camera, replaces a file's own "
        "times; 0: the source's own",
        limits=(0.0, 1000.0),
    ),
    Argument("loop", "false", "true: play a file or a folder again and again", TRUE_FALSE),
    Argument("image_topic", "image_raw", "topic of the images (sensor_msgs/Image)"),
    Argument(
        "image_queue",
        "1",
        "images that may wait while one is processed: 1, the newest only, has the least latency; "
        "more lose fewer frames of a file",
        limits=(1, 99),
        whole=True,
    ),
    Argument(
        "camera_info_topic",
        "camera_info",
        "topic of the camera's intrinsics (sensor_msgs/CameraInfo)",
    ),
    Argument(
        "camera_info_file",
        "",
        "calibration YAML of the camera that `video` shows; empty: a field of view of 60 "
        "degrees is assumed",
    ),
    Argument(
        "camera_frame",
        "camera_optical_frame",
        "frame of the images: x right, y down, z forward",
    ),
    Argument(
        "camera_pose",
        "1.2 0.0 0.55 -1.5708 0.0 1.5708",
        "x y z (m) roll pitch yaw (rad) of camera_frame in base_frame, with hand:=both in `world`, "
        "or a file of amt_perception.calibration; empty when another node publishes it on /tf",
        parts=XYZ_RPY,
    ),
)

PERCEPTION = (
    Argument(
        "estimator",
        "auto",
        "hand estimator; auto takes amt when a checkpoint is given, else mediapipe",
        ("auto", "amt", "mediapipe"),
    ),
    Argument("checkpoint", "", "weights of the AMT model; empty for the ones in the box"),
    Argument(
        "device",
        "auto",
        "where the AMT model computes; MediaPipe takes the CPU",
        ("auto", "cpu", "cuda"),
    ),
    Argument(
        "precision",
        "auto",
        "numbers that the AMT model computes with; auto: what suits the device",
        ("auto", "fp32", "bf16", "fp8"),
    ),
    Argument(
        "publish_vertices",
        "false",
        "true: send the 778 vertices of every hand, too, where the estimator gives them",
        TRUE_FALSE,
    ),
    Argument(
        "mano",
        "",
        "folder with your MANO_RIGHT.pkl and MANO_LEFT.pkl; empty: the project's generic hand",
    ),
    Argument(
        "hand_length_m",
        "0.0",
        "length of the person's hand, wrist crease to middle fingertip (m); 0: an adult hand "
        "is assumed",
        limits=(0.0, 0.4),
    ),
    Argument(
        "grasp",
        "false",
        "true: start the node that samples grasps for an instruction",
        TRUE_FALSE,
    ),
    Argument("grasp_checkpoint", "", "weights of the grasp model; empty: its own small ones"),
)

ROBOT = (
    Argument(
        "hand",
        "right",
        "which hand of the person drives the robot; the Allegro is of the same side. both: a "
        "second robot for the other hand, in the namespaces left and right",
        ("right", "left", "both"),
    ),
    Argument("robot", "ur5e", "arm under the Allegro hand", ("ur5e", "ur10e")),
    Argument("base_frame", "base_link", "base frame of the robot, without a prefix"),
    Argument(
        "base_pose_left",
        "0.0 0.6 0.0 0.0 0.0 0.0",
        "hand:=both: x y z (m) roll pitch yaw (rad) of the left robot's base in `world`; empty "
        "when another node publishes it on /tf",
        parts=XYZ_RPY,
    ),
    Argument(
        "base_pose_right",
        "0.0 -0.6 0.0 0.0 0.0 0.0",
        "hand:=both: the same of the right robot's base",
        parts=XYZ_RPY,
    ),
    Argument(
        "tf_prefix",
        "",
        "prefix of the arm's joint names in its driver, such as left_; with hand:=both {hand} in "
        "it becomes left or right",
    ),
    Argument(
        "command_interface",
        "jtc",
        "UR's controller: jtc = scaled_joint_trajectory_controller, unscaled_jtc = "
        "joint_trajectory_controller, forward = forward_position_controller",
        ("jtc", "unscaled_jtc", "forward"),
    ),
    Argument(
        "hand_interface",
        "v4",
        "the Allegro's driver: v4 = Wonik's V4, v4_dual = the same for two hands, v5 = Wonik's "
        "V5, joint_cmd = JointState on allegroHand/joint_cmd",
        ("v4", "v4_dual", "v5", "joint_cmd"),
    ),
    Argument(
        "robot_state",
        "auto",
        "true: publish robot_description and the robot's links on /tf; false when a driver's "
        "robot_state_publisher does; auto: with the simulated robot only",
        ("auto", *TRUE_FALSE),
    ),
)

MOTION = (
    Argument(
        "position_mode",
        "relative",
        "relative: the palm starts where the robot's is and follows the hand's motion; "
        "absolute: it goes where the hand is",
        ("relative", "absolute"),
    ),
    Argument(
        "velocity_scale",
        "0.25",
        "share of the arm's velocity limits that may be used",
        limits=(0.01, 1.0),
    ),
    Argument(
        "max_accel",
        "5.0",
        "acceleration limit of the arm's joints (rad/s^2); UR publishes none",
        limits=(0.1, 50.0),
    ),
    Argument(
        "command_rate_hz",
        "125.0",
        "commands per second (Hz)",
        limits=(100.0, 500.0),
    ),
    Argument(
        "realtime_priority",
        "40",
        "priority of the commands' thread under SCHED_FIFO, where the system allows it; 0: none",
        limits=(0, 99),
    ),
    Argument(
        "require_enable",
        "auto",
        "true: nothing moves before the service amt/set_enabled; auto: true unless simulate",
        ("auto", *TRUE_FALSE),
    ),
    Argument(
        "require_deadman",
        "false",
        "true: move only while somebody sends true on amt/enable, 20 times a second or more",
        TRUE_FALSE,
    ),
    Argument(
        "input_timeout_s",
        "0.04",
        "hold when no hand has come for this long (s)",
        limits=(0.02, 0.5),
    ),
    Argument(
        "joint_state_timeout_s",
        "0.04",
        "hold when no joint states have come for this long (s)",
        limits=(0.02, 0.5),
    ),
)

SIMULATION = (
    Argument(
        "simulate",
        "true",
        "true: start the MuJoCo robot, which listens on the same topics as the real drivers",
        TRUE_FALSE,
    ),
    Argument(
        "object_mesh",
        "",
        "mesh (m) of an object on the simulated robot's table; empty: none",
    ),
    Argument(
        "object_pose",
        "",
        "x y z (m) qx qy qz qw of the object in base_frame; empty: on the table before the robot",
        parts=("x", "y", "z", "qx", "qy", "qz", "qw"),
    ),
    Argument("object_mass", "0.1", "of the object (kg)", limits=(0.001, 10.0)),
)

OPERATION = (
    Argument("namespace", "", "namespace of all nodes"),
    Argument(
        "enclave",
        "",
        "SROS2: where the processes' enclaves are, as /amt for /amt/retarget_node; empty: none",
    ),
    Argument("params_file", "", "YAML file with ROS parameters; it wins over the arguments"),
    Argument(
        "record",
        "",
        "folder for a rosbag of all results (needs the ros2 bag command); empty: none",
    ),
    Argument("rviz", "false", "true: open RViz (needs ros2 launch and rviz2)", TRUE_FALSE),
    Argument("use_sim_time", "false", "take the time from /clock", TRUE_FALSE),
    Argument(
        "autostart",
        "true",
        "configure and activate the lifecycle nodes at once",
        TRUE_FALSE,
    ),
    Argument(
        "use_composition",
        "false",
        "true: camera and perception in one process, images passed by call; all: the retarget "
        "node, too, in a thread of its own",
        (*TRUE_FALSE, "all"),
    ),
    Argument(
        "use_respawn",
        "false",
        "start a node that died again, after a second, instead of ending the pipeline",
        TRUE_FALSE,
    ),
    Argument(
        "log_level",
        "info",
        "log level of the nodes",
        ("debug", "info", "warn", "error", "fatal"),
    ),
)

ARGUMENTS = (*IMAGES, *PERCEPTION, *ROBOT, *MOTION, *SIMULATION, *OPERATION)
