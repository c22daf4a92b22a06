"""Kernels of blocks for a GPU."""
