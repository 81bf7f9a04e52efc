"""The command that samples grasps: `python -m amt_perception.grasp.sample`."""
