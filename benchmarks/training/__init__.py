"""Speed of training: the data path, and steps of the real loop."""
