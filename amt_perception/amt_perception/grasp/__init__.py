"""Functional grasps: from an object and what is to be done with it to grasps of a hand."""
