"""How much of the front a search finds for its cost: analytic spaces, recorded trainings, real races."""
