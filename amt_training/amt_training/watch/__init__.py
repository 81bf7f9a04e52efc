"""Watching a run: progress, logs, pictures, and what goes wrong inside a network."""
