"""Internal: what to train next, and the way from a command to its results."""
