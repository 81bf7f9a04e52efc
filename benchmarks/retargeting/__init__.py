"""Retargeting measured against the libraries that people use today, on the same motions."""
