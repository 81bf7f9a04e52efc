"""The robot description, loaded once: Pinocchio model, joint names, limits."""
