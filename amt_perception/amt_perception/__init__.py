"""From images to hand poses, object poses and contacts. Only `nodes` knows ROS."""
