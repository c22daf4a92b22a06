"""A network as one Python file that needs PyTorch and nothing of pure-nas."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import TypedDict, Unpack

from pure_nas.data import preprocessing
from pure_nas.errors import PureNasError, UsageError
from pure_nas.export.network_class import CONV_3X3, in_words, is_conv3x3, network_class, unit_class
from pure_nas.export.source import ANNOTATIONS, IMPORTS, assigned_tuple, class_source, function_sources, names_used
from pure_nas.nn.network import Network
from pure_nas.nn.plain import blocks
from pure_nas.process_state import global_random_state
from pure_nas.run.directory import WEIGHTS_FILE
from pure_nas.space.architecture import Architecture
from pure_nas.space.unit import get_unit

NETWORK_FILE = "network.py"

_LOAD = f'''
def load(weights: str | Path = "{WEIGHTS_FILE}") -> Network:
    """The network with its trained weights, in evaluation mode; a relative path starts beside this file."""
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

_BASES = (blocks.ResidualBlock.__name__,)
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
_IMAGE_MODES = {1: "L", 3: "RGB"}


class About(TypedDict, total=False):
    """What an exported file says of a network, and of the images that it was trained on.

    Attributes:
        title: first line of the file's docstring; a description of the network where it is empty.
        notes: further paragraphs of it.
        classes: names of the classes, one for each logit.
        mean: what is subtracted from images scaled to 0 ... 1, one value a channel.
        std: what they are then divided by.
        decoded_size: height and width of the squares that images are decoded to, pixels; None is `stored_size`.
        stored_size: height and width that these are scaled to, pixels, of which the network is shown the middle; None
            is its image size.
    """

    title: str
    notes: Sequence[str]
    classes: Sequence[str] | None
    mean: Sequence[float] | None
    std: Sequence[float] | None
    decoded_size: int | None
    stored_size: int | None


def python_source(architecture: Architecture, **about: Unpack[About]) -> str:
    """One Python file that defines the network of `architecture` with nothing but PyTorch.

    Its class `Network` has the state-dict keys of `pure_nas.nn.Network`; its function `load` reads the
    safetensors file beside it. Where images have one or three channels, its function
    `preprocess` gives what the network is shown of an image.

    Args:
        about: see `About`.

    Raises:
        UsageError: `classes`, `mean` or `std` do not fit the architecture.
        PureNasError: a unit cannot be exported.
    """
    _check(architecture, about)
    definitions = [*_definitions(architecture), _constants(architecture, about), *_preprocess(architecture, about)]
    body = "\n\n\n".join([*definitions, _LOAD, *_command(architecture, about)])
    parts = [_docstring(architecture, about), "from __future__ import annotations", _imports(body)]
    return "\n\n".join(parts) + "\n\n\n" + body + "\n"


def _check(architecture: Architecture, about: About) -> None:
    classes, mean, std = about.get("classes"), about.get("mean"), about.get("std")
    if classes is not None and len(classes) != architecture.num_classes:
        raise UsageError(f"classes has {len(classes)} names for a network of {architecture.num_classes} classes.")
    if (mean is None) != (std is None):
        raise UsageError("mean and std belong together: give both or neither.")
    for name, values in (("mean", mean), ("std", std)):
        if values is not None and len(values) != architecture.in_chans:
            raise UsageError(f"{name} has {len(values)} values for images of {architecture.in_chans} channels.")
        if values is not None and not all(map(math.isfinite, values)):
            raise UsageError(f"{name} must be finite, but is {tuple(values)}.")
    if std is not None and min(std) <= 0:
        raise UsageError(f"std must be above zero, but is {tuple(std)}.")


def _definitions(architecture: Architecture) -> Iterator[str]:
    sources: dict[str, type] = {}
    for carried in _classes(architecture):
        if carried.__name__ in _TAKEN or sources.setdefault(carried.__name__, carried) is not carried:
            raise PureNasError(
                f"{carried.__module__}.{carried.__qualname__} cannot be exported: the file already has a "
                f'"{carried.__name__}".',
                hint="Rename the class of the unit.",
            )
    for carried in sources.values():
        yield class_source(carried, _BASES)
    if any(map(is_conv3x3, architecture.blocks())):
        yield CONV_3X3
    yield network_class(architecture)


def _classes(architecture: Architecture) -> Iterator[type]:
    """The classes that the network is made of, those that others use first; one may come twice."""
    yield blocks.Stem
    for name in sorted(architecture.unit_set):
        carried = unit_class(get_unit(name))
        if carried is not None:
            yield carried
    shortcuts = {block.shortcut for block in architecture.blocks()}
    if "projection" in shortcuts:
        yield blocks.ProjectionShortcut
    if "padding" in shortcuts:
        yield blocks.PaddingShortcut
    yield blocks.ResidualBlock
    yield blocks.BottleneckBlock if architecture.bottleneck else blocks.BasicBlock
    yield blocks.Classifier


def _constants(architecture: Architecture, about: About) -> str:
    lines = [f"IMAGE_SIZE = {architecture.image_size}", f"IN_CHANS = {architecture.in_chans}"]
    for name, values in (("MEAN", about.get("mean")), ("STD", about.get("std"))):
        lines += assigned_tuple(name, [float(value) for value in values]) if values is not None else []
    classes = about.get("classes")
    lines += assigned_tuple("CLASSES", [str(name) for name in classes]) if classes is not None else []
    return "\n".join(lines)


def _preprocess(architecture: Architecture, about: About) -> Iterator[str]:
    """The function `preprocess` and those it calls."""
    mode, shown = _IMAGE_MODES.get(architecture.in_chans), architecture.image_size
    if mode is None:
        return
    stored = about.get("stored_size") or shown
    decoded = about.get("decoded_size") or stored
    fitted = ""
    if decoded != stored:
        fitted += f"    pixels = scaled(pixels[None], {'IMAGE_SIZE' if stored == shown else stored})[0]\n"
    if stored != shown:
        start = (stored - shown) // 2
        fitted += f"    pixels = pixels[:, {start}:{start + shown}, {start}:{start + shown}]\n"
    yield from function_sources([*_DECODING, preprocessing.scaled] if decoded != stored else _DECODING)
    plain = about.get("mean") is None
    yield _PREPROCESS.format(
        mode=mode,
        decoded="IMAGE_SIZE" if decoded == shown else decoded,
        fitted=fitted,
        mean=(0.0,) * architecture.in_chans if plain else "MEAN",
        std=(1.0,) * architecture.in_chans if plain else "STD",
    )


def _command(architecture: Architecture, about: About) -> Iterator[str]:
    if architecture.in_chans in _IMAGE_MODES:
        yield _COMMAND.format(name="class {index}" if about.get("classes") is None else "{CLASSES[index]}")


def _docstring(architecture: Architecture, about: About) -> str:
    size, channels = architecture.image_size, architecture.in_chans
    scale = "scaled to 0 ... 1" if about.get("mean") is None else "scaled to 0 ... 1, less MEAN, over STD"
    paragraphs = [_clean(about.get("title", "")) or in_words(architecture), *map(_clean, about.get("notes", ()))]
    wrapped = [textwrap.fill(text, 110, break_long_words=False) for text in paragraphs if text]
    images = architecture.in_chans in _IMAGE_MODES
    usage = [
        f"    from network import load{', preprocess' if images else ''}",
        f"    network = load()  # reads {WEIGHTS_FILE} beside this file",
        *["    logits = network(preprocess(IMAGE)[None])  # the path of an image file, or a Pillow image"] * images,
        f"    logits = network(images)  # (N, {channels}, {size}, {size}), {scale}",
        "    network.half()  # to float16, images likewise: images.half()",
    ]
    with global_random_state():
        parameters = sum(parameter.numel() for parameter in Network(architecture).parameters())
    needs = "needs PyTorch, and safetensors to load weights"
    size_line = f"{parameters:,} parameters. Written by pure-nas; {needs}."
    if images:
        size_line += "\nTo classify an image file, which needs Pillow too: python network.py IMAGE"
    text = "\n\n".join([*wrapped, "\n".join(usage), size_line])
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
