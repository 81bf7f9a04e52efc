"""Predictions over a whole data set, judged by public protocols, and the report about them."""
