"""What `import pure_nas` offers: calls, and what they leave behind."""
