"""What a dataset is: plain data, and a loader that is imported only when the images are wanted. No PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from pure_nas.errors import PureNasError

if TYPE_CHECKING:
    from pure_nas.data.raw import RawImages

Part = Literal["train", "test"]
"""The two halves of a dataset; `test` is read only when a final network is judged."""


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file that is fetched once, and where it goes when fetched by hand.

    Attributes:
        url: its official address.
        folder: where it belongs, relative to the data directory.
    """

    url: str
    folder: str = ""

    @property
    def name(self) -> str:
        """Its official file name."""
        return self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """A dataset that can be named on the command line.

    Attributes:
        name: as written by users.
        summary: one line for listings.
        num_classes: how many classes.
        in_chans: channels of an image.
        image_size: height and width as stored, pixels (images are square).
        flip: whether a horizontal flip keeps the label.
        load: reads one part from the data directory, or "module:function" of such a function. It raises
            `DataError` where the part cannot be had.
        train_size: images in the train part, where known.
        test_size: images in the test part, where known.
        validation: what is set aside of train by default: images (at most a tenth of train), or a share.
        files: what each part is read from, relative to the data directory; None where nothing has to be fetched.
        downloads: what is fetched for each part; likewise.
    """

    name: str
    summary: str
    num_classes: int
    in_chans: int
    image_size: int
    flip: bool
    load: Callable[[Path, Part], RawImages] | str
    train_size: int | None = None
    test_size: int | None = None
    validation: int | float = 0.1
    files: Mapping[Part, tuple[str, ...]] | None = None
    downloads: Mapping[Part, tuple[Download, ...]] | None = None

    def read(self, data_dir: Path, part: Part) -> RawImages:
        """The images of one part.

        Raises:
            DataError: they are absent, damaged, or cannot be downloaded.
            PureNasError: the loader named by the spec does not exist.
        """
        return self._loader()(data_dir, part)

    def missing(self, data_dir: Path, part: Part) -> tuple[Path, ...]:
        """The files of a part that are not in `data_dir`."""
        paths = (data_dir / name for name in (self.files or {}).get(part, ()))
        return tuple(path for path in paths if not path.is_file())

    def _loader(self) -> Callable[[Path, Part], RawImages]:
        if not isinstance(self.load, str):
            return self.load
        module, _, function = self.load.partition(":")
        try:
            return cast("Callable[[Path, Part], RawImages]", getattr(import_module(module), function))
        except (ImportError, AttributeError, ValueError) as error:
            raise PureNasError(
                f'The loader "{self.load}" of dataset "{self.name}" cannot be imported: {error}',
                hint="Reinstall or remove the package that declares it.",
            ) from error
