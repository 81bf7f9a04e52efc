"""Drawing what was estimated onto images."""
