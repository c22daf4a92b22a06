"""Tables of evaluations with many classes, and with classes that have no images."""

from __future__ import annotations

import pytest
import torch
from held_images import resident
from pure_nas_cli.commands.evaluate import print_evaluations

from pure_nas.data.image_set import Normalisation
from pure_nas.evaluation.evaluation import Evaluation, evaluate_network
from pure_nas.nn.network import build
from pure_nas.space.architecture import Architecture


def evaluated(classes: int, seen: int) -> Evaluation:
    """An untrained network on images of the first `seen` of its classes."""
    pixels = torch.randint(0, 256, (60, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    images = resident(pixels, torch.arange(60) % seen, Normalisation((0.5,), (0.25,)))
    architecture = Architecture.uniform("product", (1,), base_width=4, in_chans=1, num_classes=classes, image_size=8)
    names = tuple(f"kind{label:02d}" for label in range(classes))
    return evaluate_network(build(architecture), images, torch.device("cpu"), classes=names)


def test_of_many_classes_the_worst_and_the_largest_confusions_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    each = evaluated(40, 40)
    print_evaluations([("some", each)], "images")
    shown = capsys.readouterr().out
    words = " ".join(shown.split())
    assert "The 10 of 40 classes with the lowest F1" in words
    assert "top-5 calibration error" in words
    assert "Calibration error: the mean distance of confidence and accuracy" in words
    label, predicted, count = each.quality.largest_confusions(1)[0]
    first = shown.partition("Largest confusions")[2].splitlines()[3]
    assert first.split() == [label, str(count), predicted]


def test_a_second_network_adds_a_row_and_classes_without_images_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluated(4, 3)
    print_evaluations([("some", found), ("another", found)], "images")
    shown = capsys.readouterr().out
    first_words = [line.split()[0] for line in shown.splitlines() if line.split()]
    assert [word for word in first_words if word in ("some", "another")] == ["some", "another", "some"]
    assert "McNemar" in shown
    assert "Classes of some" in shown
    assert "There are no images of kind03." in shown
    row = next(line for line in shown.splitlines() if line.split()[:2] == ["kind03", "0"])
    assert row.split()[3] == "–"
    assert "Confusions: one row per true class" in shown
