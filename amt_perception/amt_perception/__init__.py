"""From images to hand poses, object poses and contacts. Only `nodes`, `ros` and `demo` know ROS."""
