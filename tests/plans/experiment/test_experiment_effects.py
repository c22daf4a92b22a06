"""What an experiment file may not say although each value is valid: to no effect, twice, or too much of it."""

from __future__ import annotations

import pytest

from pure_nas.errors import ConfigError, UsageError
from pure_nas.evaluation.noise import Noise
from pure_nas.plans.experiment.file import ExperimentFile
from pure_nas.plans.experiment.toml_tables import GridTable

HEAD = 'schema = 1\nquestion = "?"\ndataset = "digits"\n'
NETWORKS = '[networks.a]\nbase = "pure8"\n[networks.b]\nbase = "pure14"\n'
SCALE = '[scales.s]\ncost = "none"\nepochs = 4\nseeds = 1\n'


def faults_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        ExperimentFile.from_toml(text)
    return [line.strip() for line in raised.value.message.splitlines()[1:]]


WITH_ITSELF = "with itself; against = [] compares it with nothing"
WARM, NO_WARMUP = (
    "warmup_epochs = 1\n",
    "scales.s.warmup_epochs: would have no effect: no recipe of this scale warms up",
)
ONE_VIEW = "views: shows each image once, as it is: ask for other crops, or for scales"


@pytest.mark.parametrize(
    ("head", "body", "scale", "expected"),
    [
        ("", "[noise]\npoisson = [3]\n", "", 'noise: would have no effect: no scale has "noise" among its evaluations'),
        (
            'evaluations = ["views"]\nviews = { crops = "flip" }\n',
            "",
            "evaluations = []\n",
            'views: would have no effect: no scale has "views" among its evaluations',
        ),
        ("", "", "evaluated = 5\n", "scales.s.evaluated: would have no effect: the scale has no evaluations"),
        ("", "", WARM, NO_WARMUP),
        ("", "[recipes.w]\nwarmup_epochs = 2\n[recipes.u]\n", 'recipes = ["u"]\n' + WARM, NO_WARMUP),
        ('evaluations = ["views"]\nviews = { crops = "whole" }\n', "", "", ONE_VIEW),
        ('evaluations = ["views"]\nviews = { scales = [1.0] }\n', "", "", ONE_VIEW),
        ('evaluations = ["quality", "quality"]\n', "", "", "evaluations.1: 'quality' is listed twice"),
        ("", "", 'evaluations = ["noise", "noise"]\n', "scales.s.evaluations.1: 'noise' is listed twice"),
        ("", "[recipes.u]\n[recipes.w]\nagainst = 'w'\n", "", f'recipes.w.against: compares "w" {WITH_ITSELF}'),
    ],
)
def test_what_would_have_no_effect_is_refused(head: str, body: str, scale: str, expected: str) -> None:
    assert faults_of(HEAD + head + NETWORKS + body + SCALE + scale) == [expected]


def test_what_has_an_effect_at_one_scale_is_taken() -> None:
    more = SCALE.replace("scales.s", "scales.t") + 'evaluations = ["noise"]\nevaluated = 5\nwarmup_epochs = 1\n'
    body = "[noise]\npoisson = [3]\n[recipes.w]\nwarmup_epochs = 2\n"
    file = ExperimentFile.from_toml(HEAD + NETWORKS + body + SCALE + more)
    assert file.scales["t"].evaluated == 5


@pytest.mark.parametrize(("kind", "level"), [("salt-and-pepper", 1.0), ("poisson", 1e7)])
def test_levels_are_those_that_can_be_had(kind: str, level: float) -> None:
    head = 'evaluations = ["noise"]\n'
    ExperimentFile.from_toml(HEAD + head + NETWORKS + f"[noise]\n{kind} = [{level}]\n" + SCALE)
    Noise(kind, level)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        Noise(kind, 1.01 * level)  # type: ignore[arg-type]
    (fault,) = faults_of(HEAD + head + NETWORKS + f"[noise]\n{kind} = [{1.01 * level}]\n" + SCALE)
    assert fault.startswith(f"noise.{kind}.0: ")


def test_a_network_that_is_its_own_reference_is_refused() -> None:
    own = '[networks.c]\nbase = { each = ["pure20", "pure32"] }\nagainst = '
    assert faults_of(HEAD + NETWORKS + own + '["a", "c"]\n' + SCALE) == [
        f'networks.c.against: compares "c" {WITH_ITSELF}'
    ]
    # One of its members is a reference for the others, and so is another recipe.
    ExperimentFile.from_toml(HEAD + NETWORKS + own + '"pure20"\n' + SCALE)
    recipes = "[recipes.u]\n[recipes.v]\nmomentum = 0.5\n"
    ExperimentFile.from_toml(HEAD + NETWORKS + own + '"c, u"\n' + recipes + SCALE)


@pytest.mark.parametrize("key", ["question", "paper", "dataset", "cost"])
def test_characters_that_change_what_is_shown_are_refused(key: str) -> None:
    text = HEAD + 'paper = "-"\n' + NETWORKS + SCALE
    old = {"question": '"?"', "paper": '"-"', "dataset": '"digits"', "cost": '"none"'}[key]
    for written, code in (("\\u202e", "202E"), ("\\u001b[2J", "001B"), ("\\u2028", "2028"), ("\\u0085", "0085")):
        (fault,) = faults_of(text.replace(old, f'"a{written}b"'))
        assert f"{key}: must be a line of text, but has the control character U+{code}" in fault
    ExperimentFile.from_toml(text.replace(old, '"θ ≥ 0 — 84.89\u00a0%"'))


def test_a_huge_grid_is_refused_with_its_size_before_its_networks_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    def each(count: int) -> str:
        return ", ".join(str(1 + number / 1000) for number in range(count))

    def table(thresholds: int, caps: int) -> str:
        return (
            f'[networks.n]\nbase = "pure8"\nthreshold_init = {{ each = [{each(thresholds)}] }}\n'
            f"exponent_cap = {{ each = [{each(caps)}] }}\n"
        )

    def listed(self: GridTable) -> object:
        raise AssertionError("millions of networks would be listed")

    monkeypatch.setattr(GridTable, "choices", listed)
    assert faults_of(HEAD + table(3000, 1000) + SCALE) == [
        "networks.n: is a grid of 3,000 x 1,000 = 3,000,000 networks; at most 10,000 can be made"
    ]
    rates = f"[recipes.r]\nlearning_rate = {{ each = [{each(30)}] }}\n"
    assert faults_of(HEAD + table(50, 10) + rates + SCALE) == [
        "(top level): has 500 networks by 30 recipes, 15,000; at most 10,000 can be made"
    ]
    monkeypatch.undo()
    ExperimentFile.from_toml(HEAD + table(50, 10) + SCALE)
