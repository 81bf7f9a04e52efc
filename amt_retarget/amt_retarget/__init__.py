"""From hand poses to joint commands of an Allegro hand on a UR arm. The library knows no ROS; `nodes` does."""
