"""The pipeline as one table, and a runner for machines without ROS's launch."""
