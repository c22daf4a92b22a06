"""Internal: kernels of blocks for a GPU."""
