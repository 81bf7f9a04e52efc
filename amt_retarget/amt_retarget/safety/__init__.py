"""Limits, watchdogs and states between the solver and the robot."""
