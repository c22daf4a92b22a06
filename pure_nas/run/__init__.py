"""Internal: one folder on disk: what a run leaves, and what is read from it again.

What is missing, damaged or was changed since is a `RunError`, one that says what is trained a `ConfigError`, and a
name that means nothing a `UsageError`.
"""
