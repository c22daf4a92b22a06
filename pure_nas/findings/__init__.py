"""Internal: what follows from a grid of trainings."""
