"""A network as an ONNX file, for ONNX Runtime and whatever else reads these."""

from __future__ import annotations

import io
import json
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pure_nas.export.python_file import About
from pure_nas.export.receipt import Floats, Predict, Sample, in_batches
from pure_nas.space.architecture import Architecture

ONNX_FILE = "network.onnx"
OPSET = 18
METADATA = (
    *("title", "classes", "mean", "std", "image_size", "in_chans", "decoded_size", "stored_size", "architecture"),
    "input",
)
_INPUT, _OUTPUT = "images", "logits"
_CALIBRATED, _PERCENTILE = 200, 99.9


def onnx_bytes(network: nn.Module, architecture: Architecture, about: About) -> tuple[bytes, dict[str, Any]]:
    """The file, and its opset and the dimensions that may vary."""
    import onnx

    size = architecture.image_size
    example = torch.zeros(2, architecture.in_chans, size, size)
    last: Exception | None = None
    for varying in (("batch", "height", "width"), ("batch",)):
        dims = {place: torch.export.Dim(name) for place, name in zip((0, 2, 3), varying, strict=False)}
        try:
            with _quiet():
                program = torch.onnx.export(
                    network,
                    (example,),
                    dynamo=True,
                    opset_version=OPSET,
                    input_names=[_INPUT],
                    output_names=[_OUTPUT],
                    dynamic_shapes=(dims,),
                    verbose=False,
                )
            break
        except torch.onnx.OnnxExporterError as error:  # the sizes of this network are fixed
            last = error
    else:
        assert last is not None
        raise last
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:  # where in whose files it was traced
        del node.metadata_props[:]
        node.doc_string = ""
    for name, text in metadata(architecture, about).items():
        model.metadata_props.add(key=name, value=text)
    onnx.checker.check_model(model)
    return model.SerializeToString(), {"opset": OPSET, "dynamic": list(varying)}


def metadata(architecture: Architecture, about: About) -> dict[str, str]:
    """What whoever runs the file needs to know of its images and classes."""
    known: Mapping[str, Any] = {
        "title": about.title,
        "classes": list(about.classes) if about.classes is not None else None,
        "mean": about.mean,
        "std": about.std,
        "image_size": architecture.image_size,
        "in_chans": architecture.in_chans,
        "decoded_size": about.decoded_size,
        "stored_size": about.stored_size,
        "architecture": architecture.digest,
        "input": "images scaled to 0 ... 1, less mean, over std; (N, C, H, W), float32",
    }
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in known.items() if value}


def metadata_of_onnx(path: Path) -> dict[str, str]:
    """What `metadata` put into a file."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    return {each.key: each.value for each in model.metadata_props}


def onnx_predict(path: Path) -> Predict:
    """The file in ONNX Runtime, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def predict(images: Floats) -> Floats:
        (found,) = session.run([_OUTPUT], {_INPUT: images})
        return np.asarray(found)

    return predict


def quantized(data: bytes, sample: Sample) -> tuple[bytes, dict[str, Any]]:
    """The file with weights of 8 bits, by the method that classifies most images of the sample correctly.

    Static ones calibrate the range of activations on training images, by their extremes, by entropy or by a percentile;
    the dynamic one measures it each time. Without labels, the one that agrees most often with the file as it was.
    """
    with tempfile.TemporaryDirectory(prefix="pure-nas-quantized-") as scratch:
        source = Path(scratch) / ONNX_FILE
        source.write_bytes(data)
        right = in_batches(onnx_predict(source), sample.images).argmax(1)
        truth = right if sample.labels is None else sample.labels
        found: dict[str, tuple[float, bytes]] = {}
        for name, quantize in _methods(source, sample).items():
            target = Path(scratch) / f"{name}.onnx"
            with _quiet():
                quantize(target)
            predicted = in_batches(onnx_predict(target), sample.images).argmax(1)
            found[name] = float((predicted == truth).mean()), target.read_bytes()
    best = max(found, key=lambda name: found[name][0])
    scores = {name: share for name, (share, _) in found.items()}
    return found[best][1], {"quantized": "int8", "method": best, "accuracy_by_method": scores}


def _methods(source: Path, sample: Sample) -> dict[str, Callable[[Path], None]]:
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_dynamic,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Gives training images to what calibrates."""

        def __init__(self) -> None:
            images = sample.training[:: max(1, len(sample.training) // _CALIBRATED)]
            # Calibrating takes batches of one size only.
            self._batches: Iterator[Floats] = iter(np.split(images, len(images)))

        def get_next(self) -> dict[str, Floats] | None:
            batch = next(self._batches, None)
            return None if batch is None else {_INPUT: batch}

    def statically(method: Any, **options: Any) -> Callable[[Path], None]:
        def quantize(target: Path) -> None:
            quantize_static(
                str(source),
                str(target),
                Reader(),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=method,
                extra_options=options,
            )

        return quantize

    return {
        "percentile": statically(CalibrationMethod.Percentile, CalibPercentile=_PERCENTILE),
        "dynamic": lambda target: quantize_dynamic(str(source), str(target), weight_type=QuantType.QUInt8),
        "minmax": statically(CalibrationMethod.MinMax),
        "entropy": statically(CalibrationMethod.Entropy),
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what exporters and quantizers say of themselves, some of it on standard output."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
