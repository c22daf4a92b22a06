"""Internal: what the report of an experiment holds."""
