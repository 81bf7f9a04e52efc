"""Image sources, intrinsics and projection."""
