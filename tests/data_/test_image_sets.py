from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from dataset_files import listing_of, picture
from held_images import resident, varied
from hypothesis import given
from hypothesis import strategies as st

from pure_nas.data.image_set import ImageSet, Normalisation, StreamedPixels, share_cpus, usual_workers
from pure_nas.data.raw_images import EncodedImages
from pure_nas.errors import DataError

NORMALISATION = Normalisation((0.4, 0.5, 0.6), (0.2, 0.25, 0.3))


def count_histogram(pixels: torch.Tensor) -> torch.Tensor:
    return torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in pixels.unbind(1)])


def numbered(count: int) -> ImageSet:
    """Images whose labels are their positions."""
    pixels = torch.zeros(count, 3, 8, 8, dtype=torch.uint8)
    return resident(pixels, torch.arange(count), NORMALISATION)


def streamed(paths: list[Path], size: int, labels: torch.Tensor, workers: int = 0) -> ImageSet:
    return ImageSet(StreamedPixels(EncodedImages(listing_of(paths), size, 3), workers), labels, NORMALISATION)


@given(st.integers(2, 60), st.integers(2, 20), st.booleans())
def test_an_epoch_shows_every_image_once_and_never_one_alone(count: int, batch_size: int, shuffle: bool) -> None:
    images = numbered(count)
    generator = torch.Generator().manual_seed(0) if shuffle else None
    labels = [y for _, y in images.batches(batch_size, generator=generator)]
    assert len(labels) == images.n_batches(batch_size)
    assert min(len(each) for each in labels) >= 2
    shown = torch.cat(labels).sort().values
    assert len(shown.unique()) == len(shown) == count


def test_statistics_equal_those_of_the_pixels() -> None:
    pixels = torch.randint(0, 256, (30, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = Normalisation.from_histogram(count_histogram(pixels))
    scaled = pixels.double() / 255
    torch.testing.assert_close(torch.tensor(found.mean), scaled.mean((0, 2, 3)).float())
    torch.testing.assert_close(torch.tensor(found.std), scaled.std((0, 2, 3), correction=0).float())


def test_large_images_are_counted_as_exactly_as_small_ones() -> None:
    pixels = torch.randint(0, 256, (40, 3, 640, 640), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    chosen = torch.randperm(40, generator=torch.Generator().manual_seed(1))[:35]
    images = resident(pixels, torch.arange(40), NORMALISATION).subset(chosen)
    assert torch.equal(images.histogram(0), count_histogram(pixels[chosen]))


HELD_ONCE = """
import resource

import torch
from pure_nas.data.image_set import ImageSet
from pure_nas.data.image_set import HeldPixels, Normalisation
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import CONV

torch.set_num_threads(1)
# 197 MB, of which nothing is written.
pixels = torch.zeros(1000, 3, 256, 256, dtype=torch.uint8)
images = ImageSet(HeldPixels(pixels), torch.arange(1000), Normalisation((0.5,) * 3, (1.0,) * 3))
held = int(next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (held + 150 * 2**20,) * 2)
counted = images.histogram(0)[:, 0].tolist()
batches = images.batches(8, generator=torch.Generator(), augment=Recipe.usual(CONV))
print(counted, sum(len(labels) for _, (_, labels) in zip(range(20), batches)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory can be limited on Linux only")
def test_images_in_memory_are_held_once_when_they_are_counted_and_shown() -> None:
    done = subprocess.run([sys.executable, "-c", HELD_ONCE], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == f"{[1000 * 256**2] * 3} 160"


def test_a_channel_of_one_value_can_be_normalised() -> None:
    found = Normalisation.from_histogram(count_histogram(torch.full((4, 1, 8, 8), 7, dtype=torch.uint8)))
    assert found.std == pytest.approx((1 / 255,))


def test_a_subset_shares_pixels_and_keeps_its_order() -> None:
    images = numbered(10).subset(torch.tensor([7, 2, 5])).subset(torch.tensor([2, 0]))
    assert images.labels.tolist() == [5, 7]
    assert next(images.batches(2))[1].tolist() == [5, 7]


# Python 3.12 warns of every fork of a process with threads, which is how a DataLoader makes its workers.
forks = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@forks
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # on a single CPU
def test_streamed_batches_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(6)]
    for i, path in enumerate(paths):
        picture(i, 20, 24).save(path)

    def epoch(workers: int) -> torch.Tensor:
        images = streamed(paths, 16, torch.arange(6), workers)
        generator = torch.Generator().manual_seed(1)
        return torch.cat([x for x, _ in images.batches(2, generator=generator, augment=varied())])

    assert torch.equal(epoch(0), epoch(2))


@forks
@pytest.mark.parametrize("workers", [0, 1])
def test_a_streamed_image_that_is_damaged_later_is_named(tmp_path: Path, workers: int) -> None:
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    picture(0).save(paths[0])
    paths[1].write_bytes(b"gone")
    images = streamed(paths, 16, torch.arange(2), workers)
    with pytest.raises(DataError, match=r"b\.png cannot be decoded"):
        list(images.batches(2))


def test_too_few_images_are_explained_at_once() -> None:
    with pytest.raises(DataError, match="too few to train on"):
        numbered(1).batches(4, generator=torch.Generator())


def test_processes_that_share_the_cpus_decode_with_their_part_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(6)), raising=False)
    found = []
    for processes in (3, 6, 12, 1):
        share_cpus(processes)
        found.append(usual_workers())
    assert found == [2, 1, 1, 6]
