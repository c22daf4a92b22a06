"""Run exported files where pure_nas cannot be imported; one folder a line on stdin, one JSON answer a line."""

import sys

sys.modules["pure_nas"] = None  # type: ignore[assignment]

import importlib.util  # noqa: E402
import json  # noqa: E402
from pathlib import Path  # noqa: E402

import torch  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

torch.set_num_threads(1)


def answer(folder: Path) -> dict[str, object]:
    spec = importlib.util.spec_from_file_location(folder.name, folder / "network.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if (folder / "images").is_dir():
        images = [module.preprocess(path) for path in sorted((folder / "images").rglob("*.png"))]
        save_file({"images": torch.stack(images)}, folder / "preprocessed.safetensors")
        return {}
    batch = load_file(folder / "batch.safetensors")
    single = module.load()
    double = module.Network().double()
    double.load_state_dict(load_file(folder / "double.safetensors"))
    with torch.inference_mode():
        logits32 = single(batch["images"].float())
        logits64 = double.eval()(batch["images"])
    return {
        "training": single.training,
        "shape": [module.IN_CHANS, module.IMAGE_SIZE],
        "float32": _relative(logits32, batch["logits32"]),
        "float64": _relative(logits64, batch["logits64"]),
        "trained": [name for name, parameter in single.named_parameters() if parameter.requires_grad],
    }


def _relative(given: torch.Tensor, expected: torch.Tensor) -> float:
    assert given.dtype == expected.dtype
    finite = expected.isfinite()
    if not torch.equal(finite, given.isfinite()):
        return float("inf")
    given, expected = given.where(finite, 0), expected.where(finite, 0)
    return float((given - expected).abs().max() / expected.abs().max().clamp_min(1.0))


for line in sys.stdin:
    try:
        reply = answer(Path(line.strip()))
    except Exception as error:  # noqa: BLE001 - the test shows it
        reply = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply), flush=True)
