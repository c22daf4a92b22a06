"""What the trials of a search say about others: which to train next, and which to stop."""
