"""Learning functional grasps: data, losses, evaluation."""
