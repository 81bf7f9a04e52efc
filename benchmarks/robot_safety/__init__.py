"""Is it safe to plug into a robot: injected faults, long runs and stops, measured from outside."""
