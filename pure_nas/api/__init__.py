"""Internal: the calls of `import pure_nas`, and what they leave behind; import them from there."""
