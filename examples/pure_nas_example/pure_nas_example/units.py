"""What the unit "geometric-mean" is. PyTorch is imported only when a network is built."""

from __future__ import annotations

from pure_nas import Unit, UnitCost, UnitPlace


def _arguments(place: UnitPlace) -> dict[str, object]:
    return {"in_channels": place.in_channels, "out_channels": place.out_channels, "stride": place.stride}


def _cost(place: UnitPlace) -> UnitCost:
    """The floor and the logarithm of every input element, the exponential of every window's mean."""
    windows = place.in_channels * place.out_size**2
    return UnitCost(
        params=place.in_channels * place.out_channels,
        macs=windows * 9 + windows * place.out_channels,
        elementwise=2 * place.in_elements + windows,
    )


GEOMETRIC_MEAN = Unit(
    name="geometric-mean",
    title="geometric mean",
    multiplies=True,
    summary="the geometric mean of each 3x3 window, mixed by a 1x1 convolution",
    implementation="pure_nas_example.geometric_mean:GeometricMean",
    arguments=_arguments,
    cost=_cost,
    parameter_kinds={"mix.weight": "conv"},
    source="pure_nas_example.geometric_mean:GeometricMean",
)
