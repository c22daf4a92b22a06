"""What follows from a grid of trainings."""
