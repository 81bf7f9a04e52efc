"""A drawn world of hands and objects in which everything is known exactly."""
