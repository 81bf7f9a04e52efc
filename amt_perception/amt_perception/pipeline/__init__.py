"""The pipeline as one table of arguments and nodes, and a runner for machines without ROS's launch."""
