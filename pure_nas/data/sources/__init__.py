"""Internal: where images come from: folders, torchvision's sets, Galaxy10, ImageNet."""
