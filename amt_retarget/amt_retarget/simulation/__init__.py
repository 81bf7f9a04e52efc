"""The MuJoCo robot, built from the same description."""
