"""Internal: what can be trained: architectures, recipes and spaces of them. Nothing here imports PyTorch."""
