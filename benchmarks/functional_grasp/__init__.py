"""What the functional grasp model is worth."""
