"""A network as files: one Python file that needs PyTorch and nothing of pure-nas, its weights, its architecture."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from pure_nas.data import preprocessing
from pure_nas.errors import PureNasError, RunError, UsageError, reason
from pure_nas.export.network_class import CONV_3X3, in_words, is_conv3x3, network_class, unit_class
from pure_nas.export.source import ANNOTATIONS, IMPORTS, assigned_tuple, class_source, function_sources, names_used
from pure_nas.files import write_whole
from pure_nas.nn.network import Network
from pure_nas.nn.plain import blocks
from pure_nas.paths import expanded
from pure_nas.process_state import global_random_state
from pure_nas.run.directory import ARCHITECTURE_FILE, WEIGHTS_FILE
from pure_nas.run.trained import Trained
from pure_nas.run.weights import weights_bytes
from pure_nas.space.architecture import Architecture
from pure_nas.space.unit import get_unit

ExportFormat = Literal["python", "json", "safetensors"]
"""python: network.py with weights and architecture; safetensors: weights and architecture; json: the architecture."""

_LOAD = f'''
def load(weights: str | Path = "{WEIGHTS_FILE}") -> Network:
    """The network with its trained weights, in evaluation mode; a relative path starts next to this file."""
    from safetensors.torch import load_file

    network = Network()
    network.load_state_dict(load_file(Path(__file__).parent / weights))
    return network.eval()
'''.strip()

_PREPROCESS = """
def preprocess(image: Image.Image | str | Path) -> Tensor:
    \"\"\"What the network is shown of an image, decoded and normalised as in its training; needs Pillow.

    Args:
        image: a Pillow image of any size and kind, or the path of an image file.

    Returns:
        (IN_CHANS, IMAGE_SIZE, IMAGE_SIZE), float32. For a batch of one: preprocess(image)[None].
    \"\"\"
    if isinstance(image, (str, Path)):
        with open_image(str(image)) as opened:
            return preprocess(opened)
    small = square(in_mode(upright(image), "{mode}"), {decoded})
    pixels = torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8).view({decoded}, {decoded}, IN_CHANS)
    pixels = pixels.permute(2, 0, 1)
{fitted}    scale, shift = scale_and_shift({mean}, {std})
    return pixels.float() * scale + shift
""".strip()

_COMMAND = """
if __name__ == "__main__":
    import sys
    import warnings

    if len(sys.argv) != 2:
        sys.exit("usage: python network.py IMAGE")
    warnings.filterwarnings("ignore", module="PIL")  # its remarks on a file's metadata
    try:
        x = preprocess(sys.argv[1])
    except ModuleNotFoundError as error:
        sys.exit(f"Decoding an image needs Pillow (pip install pillow): {{error}}.")
    except Exception as error:  # Pillow's readers raise many kinds on damaged files
        sys.exit(f"{{sys.argv[1]}} cannot be decoded: {{error or type(error).__name__}}")
    sys.stdout.reconfigure(errors="replace")  # names of classes that the terminal lacks letters for
    with torch.inference_mode():
        probabilities = load()(x[None]).softmax(1)[0]
    for index in probabilities.argsort(descending=True)[:5].tolist():
        print(f"{{probabilities[index]:6.1%}}  {name}")
""".strip()

_DECODING = (
    preprocessing.open_image,
    preprocessing.white_of,
    preprocessing.in_eight_bits,
    preprocessing.shallow_colours,
    preprocessing.upright,
    preprocessing.whole_numbers_to_gray,
    preprocessing.in_mode,
    preprocessing.square,
    preprocessing.scale_and_shift,
)
_TAKEN = {"Network", "conv3x3", "load", "preprocess", "Image", "scaled", *(each.__name__ for each in _DECODING)}


@dataclass(frozen=True, kw_only=True)
class About:
    """What an exported file says of a network, and of the images that it was trained on.

    Attributes:
        title: first line of the file's docstring (default: a description of the network).
        notes: further paragraphs of it.
        classes: names of the classes, one for each logit.
        mean: what is subtracted from images scaled to 0 ... 1, one value per channel.
        std: what they are then divided by.
        decoded_size: height and width of the squares that images are decoded to, pixels (default: `stored_size`).
        stored_size: height and width that these are scaled to, pixels, of which the network is shown the middle
            (default: its image size).
    """

    title: str = ""
    notes: Sequence[str] = ()
    classes: Sequence[str] | None = None
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    decoded_size: int | None = None
    stored_size: int | None = None


def export_trained(
    trained: Trained,
    directory: Path | None = None,
    *,
    format: ExportFormat = "python",  # noqa: A002 - the word of the command line
    overwrite: bool = False,
) -> list[Path]:
    """Write a trained network into `directory`, by default its own, with what is known of it; returns the files."""
    facts = trained.images.facts if trained.images else {}
    of_images = {name: facts.get(name) for name in ("classes", "mean", "std", "decoded_size", "stored_size")}
    return write_export(
        directory or trained.directory,
        trained.architecture,
        None if format == "json" else trained.load().state_dict(),
        About(title=trained.title, notes=trained.notes, **of_images),
        format=format,
        overwrite=overwrite,
    )


def write_export(
    directory: Path,
    architecture: Architecture,
    state_dict: Mapping[str, Tensor] | None,
    about: About = About(),
    *,
    format: ExportFormat,  # noqa: A002 - the word of the command line
    overwrite: bool = False,
) -> list[Path]:
    """Write a network into `directory`, which is made where it does not exist, and return the files.

    Args:
        state_dict: its weights; only the format "json" does without.
        overwrite: whether files with other contents may be replaced.

    Raises:
        UsageError: weights are missing or do not fit the architecture.
        RunError: a file with other contents exists, or the folder cannot be written.
    """
    directory = expanded(directory)
    files: dict[Path, bytes] = {}
    if format == "python":
        files[directory / "network.py"] = python_source(architecture, about).encode()
    if format != "json":
        files[directory / WEIGHTS_FILE] = weights_bytes(architecture, state_dict)
    files[directory / ARCHITECTURE_FILE] = architecture.to_json().encode()
    for path, data in () if overwrite else files.items():
        try:
            same = path.read_bytes() == data
        except FileNotFoundError:
            continue
        except OSError as error:
            raise RunError(f"{path} cannot be written: {reason(error)}.", hint="Choose another folder.") from error
        if not same:
            raise RunError(
                f"{path} exists and is different; it is left alone.",
                hint="Choose another folder, or replace it with --overwrite (overwrite=True).",
            )
    for path, data in files.items():
        write_whole(path, data)
    return list(files)


def python_source(architecture: Architecture, about: About = About()) -> str:
    """One Python file that defines the network of `architecture` with nothing but PyTorch.

    Its class `Network` has the state-dict keys of `pure_nas.nn.Network`; its function `load` reads the safetensors
    file next to it. Where images have one or three channels, its function `preprocess` gives what the network is shown
    of an image, and the file classifies images as a program.

    Raises:
        UsageError: `classes`, `mean` or `std` do not fit the architecture.
        PureNasError: a unit cannot be exported.
    """
    _check(architecture, about)
    mode = {1: "L", 3: "RGB"}.get(architecture.in_chans)
    definitions = [*_definitions(architecture), _constants(architecture, about)]
    definitions += _preprocess(architecture, about, mode) if mode else []
    definitions.append(_LOAD)
    if mode:
        definitions.append(_COMMAND.format(name="class {index}" if about.classes is None else "{CLASSES[index]}"))
    body = "\n\n\n".join(definitions)
    docstring = _docstring(architecture, about, images=mode is not None)
    return f"{docstring}\n\nfrom __future__ import annotations\n\n{_imports(body)}\n\n\n{body}\n"


def _check(architecture: Architecture, about: About) -> None:
    if about.classes is not None and len(about.classes) != architecture.num_classes:
        raise UsageError(f"classes has {len(about.classes)} names for a network of {architecture.num_classes} classes.")
    if (about.mean is None) != (about.std is None):
        raise UsageError("mean and std belong together: give both or neither.")
    for name, values in (("mean", about.mean), ("std", about.std)):
        if values is not None and len(values) != architecture.in_chans:
            raise UsageError(f"{name} has {len(values)} values for images of {architecture.in_chans} channels.")
        if values is not None and not all(map(math.isfinite, values)):
            raise UsageError(f"{name} must be finite, but is {tuple(values)}.")
    if about.std is not None and min(about.std) <= 0:
        raise UsageError(f"std must be above zero, but is {tuple(about.std)}.")


def _definitions(architecture: Architecture) -> Iterator[str]:
    shortcuts = {block.shortcut for block in architecture.blocks()}
    classes = [
        blocks.Stem,
        *filter(None, (unit_class(get_unit(name)) for name in sorted(architecture.unit_set))),
        *([blocks.ProjectionShortcut] if "projection" in shortcuts else []),
        *([blocks.PaddingShortcut] if "padding" in shortcuts else []),
        blocks.ResidualBlock,
        blocks.Classifier,
    ]
    by_name: dict[str, type] = {}
    for each in classes:
        if each.__name__ in _TAKEN or by_name.setdefault(each.__name__, each) is not each:
            raise PureNasError(
                f'{each.__module__}.{each.__qualname__} cannot be exported: the file already has a "{each.__name__}".',
                hint="Rename the class of the unit.",
            )
    for each in by_name.values():
        yield class_source(each)
    if any(map(is_conv3x3, architecture.blocks())):
        yield CONV_3X3
    yield network_class(architecture)


def _constants(architecture: Architecture, about: About) -> str:
    lines = [f"IMAGE_SIZE = {architecture.image_size}", f"IN_CHANS = {architecture.in_chans}"]
    for name, values in (("MEAN", about.mean), ("STD", about.std)):
        lines += assigned_tuple(name, [float(value) for value in values]) if values is not None else []
    lines += assigned_tuple("CLASSES", [str(name) for name in about.classes]) if about.classes is not None else []
    return "\n".join(lines)


def _preprocess(architecture: Architecture, about: About, mode: str) -> list[str]:
    """The function `preprocess` and those it calls."""
    channels, shown = architecture.in_chans, architecture.image_size
    stored = about.stored_size or shown
    decoded = about.decoded_size or stored
    fitted = ""
    if decoded != stored:
        fitted += f"    pixels = scaled(pixels[None], {'IMAGE_SIZE' if stored == shown else stored})[0]\n"
    if stored != shown:
        start = (stored - shown) // 2
        fitted += f"    pixels = pixels[:, {start}:{start + shown}, {start}:{start + shown}]\n"
    preprocess = _PREPROCESS.format(
        mode=mode,
        decoded="IMAGE_SIZE" if decoded == shown else decoded,
        fitted=fitted,
        mean=(0.0,) * channels if about.mean is None else "MEAN",
        std=(1.0,) * channels if about.std is None else "STD",
    )
    scaled = [preprocessing.scaled] if decoded != stored else []
    return [*function_sources([*_DECODING, *scaled]), preprocess]


def _docstring(architecture: Architecture, about: About, *, images: bool) -> str:
    size, channels = architecture.image_size, architecture.in_chans
    scale = "scaled to 0 ... 1" if about.mean is None else "scaled to 0 ... 1, less MEAN, over STD"
    paragraphs = [_clean(about.title) or in_words(architecture), *map(_clean, about.notes)]
    wrapped = [textwrap.fill(text, 110, break_long_words=False) for text in paragraphs if text]
    usage = [
        f"    from network import load{', preprocess' if images else ''}",
        f"    network = load()  # reads {WEIGHTS_FILE} next to this file",
        *["    logits = network(preprocess(IMAGE)[None])  # the path of an image file, or a Pillow image"] * images,
        f"    logits = network(images)  # (N, {channels}, {size}, {size}), {scale}",
        "    network.half()  # to float16, as must be the images: images.half()",
    ]
    with global_random_state():
        parameters = sum(parameter.numel() for parameter in Network(architecture).parameters())
    needs = f"{parameters:,} parameters. Written by pure-nas; needs PyTorch, and safetensors to load weights."
    if images:
        needs += "\nTo classify an image file, which needs Pillow too: python network.py IMAGE"
    text = "\n\n".join([*wrapped, "\n".join(usage), needs])
    return f'"""{" " if text.startswith(chr(34)) else ""}{text}\n"""'


def _clean(text: str) -> str:
    """`text` on one line, as it may stand in a docstring."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split()).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def _imports(body: str) -> str:
    used = names_used(body)
    decodes = used >= ANNOTATIONS
    lines = [IMPORTS[name] for name in ("Callable", "Path") if name in used]
    lines += ["from typing import IO, TYPE_CHECKING"] if decodes else []
    lines += ["", IMPORTS["torch"]] if "torch" in used else [""]
    lines.append(f"from torch import {', '.join(name for name in ('Tensor', 'nn') if name in used)}")
    lines += [IMPORTS["F"]] if "F" in used else []
    lines += ["", "if TYPE_CHECKING:", "    from PIL import Image"] if decodes else []
    return "\n".join(lines)
