"""From camera images to hand poses, object poses and contacts. The library knows no ROS; `nodes` does."""
