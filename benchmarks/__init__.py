"""Benchmarks of pure-nas: run one with `uv run python -m benchmarks.NAME`; README.md beside this file lists them."""
