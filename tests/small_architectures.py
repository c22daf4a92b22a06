"""Architectures that are quick to train."""

from __future__ import annotations

from hypothesis import strategies as st

from pure_nas.space.architecture import Architecture
from pure_nas.space.unit import UNITS


@st.composite
def small_architectures(draw: st.DrawFn) -> Architecture:
    n_stages = draw(st.integers(1, 4))
    unit = st.sampled_from(UNITS.names)
    thetas = st.sampled_from([0.0, -0.0, -4.5, 1e-5, 3.0]) | st.floats(-6, 4, width=32)
    return Architecture(
        family=draw(st.sampled_from(["cifar", "imagenet"])),
        units=tuple(tuple(draw(st.lists(unit, min_size=1, max_size=3))) for _ in range(n_stages)),
        base_width=draw(st.integers(1, 6)),
        bottleneck=draw(st.booleans()),
        shortcut=draw(st.sampled_from(["projection", "padding"])),
        threshold_init=tuple(draw(thetas) for _ in range(n_stages)),
        threshold_trainable=draw(st.booleans()),
        threshold_per_channel=draw(st.booleans()),
        softening=draw(st.sampled_from([0.5, 0.25])),
        exponent_cap=draw(st.sampled_from([20.0, 7.5, None])),
        relu_in_block=draw(st.booleans()),
        relu_after_add=draw(st.booleans()),
        residual_scale=draw(st.sampled_from([1.0, 0.25])),
        zero_gamma=draw(st.booleans()),
        in_chans=draw(st.sampled_from([1, 2, 3, 4])),
        num_classes=draw(st.integers(2, 12)),
        image_size=draw(st.integers(1, 19)),
    )
