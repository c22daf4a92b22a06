"""Internal: one folder on disk: what a run leaves, and what is read from it again."""
