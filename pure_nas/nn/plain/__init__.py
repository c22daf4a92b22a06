"""Internal: networks as plain PyTorch: what is counted, exported and compiled."""
