"""Rendered hands: pictures of any pose, and the built-in clip, so that a demo needs no file."""
