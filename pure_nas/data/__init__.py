"""Internal: images to train on. Listing datasets needs no PyTorch."""
