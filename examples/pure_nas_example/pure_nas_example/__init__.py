"""A unit, a dataset and a search space for pure-nas."""
