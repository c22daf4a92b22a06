"""How much of the front a search finds for its cost: an analytic space and recorded trainings."""
