"""What the shipped checkpoint is worth: `python -m benchmarks.small`."""
