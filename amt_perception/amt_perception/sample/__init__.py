"""The built-in clip: a hand of the project's own making, rendered, so that a demo needs no file."""
