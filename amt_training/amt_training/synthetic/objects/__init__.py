"""Things that a person holds in one hand: their shapes, their names, and distances to them."""
