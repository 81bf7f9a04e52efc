"""The Advanced Manipulation Transformer (AMT): pure torch, no ROS, no training stack."""
