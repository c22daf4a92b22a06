"""Internal: training a network by a recipe: schedules, epochs, evaluation, checkpoints."""
