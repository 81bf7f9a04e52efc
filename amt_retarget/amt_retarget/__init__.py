"""From hand poses to joint commands. Only `nodes` and `ros` know ROS."""
