"""Offline training and evaluation of the AMT models (to come)."""
