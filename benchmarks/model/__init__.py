"""Size, arithmetic and speed of the AMT model."""
