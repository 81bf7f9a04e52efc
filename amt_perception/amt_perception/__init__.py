"""From images to hand poses, object poses and contacts. Only `nodes`, `ros` and `demo` know ROS."""

__version__ = "0.1.0"
