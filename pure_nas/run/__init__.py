"""One folder on disk: what a run leaves, and what is read from it again.

Whatever is read is checked: a file that is missing, damaged or was changed since is a `RunError`, one that says what is
trained a `ConfigError`, and a name that means nothing a `UsageError`.
"""
