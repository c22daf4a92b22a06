"""What the dataset "gratings" is. Its images are drawn only when they are wanted."""

from __future__ import annotations

from pure_nas import DatasetSpec

GRATINGS = DatasetSpec(
    name="gratings",
    summary="two gratings, added or multiplied; drawn, not downloaded",
    num_classes=2,
    in_chans=1,
    image_size=12,
    flip=True,
    load="pure_nas_example.gratings:read",
    train_size=400,
    test_size=200,
)
