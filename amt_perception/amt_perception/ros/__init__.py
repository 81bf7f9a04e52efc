"""The library's types as ROS messages, for nodes and for whoever listens to them."""
