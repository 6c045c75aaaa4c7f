"""Weights on disk: reading them without running code, writing them whole, and saying plainly why they do not fit."""

from __future__ import annotations

import pickle
import re
import struct
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from jaxtyping import Shaped
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from visus.errors import VisusError
from visus.nn.norm import FrozenBatchNorm2d
from visus.whole_file import whole_file

State = Mapping[str, Shaped[Tensor, " ..."]]
StateDict = dict[str, Shaped[Tensor, " ..."]]
_SHOWN = 3
_DEPTH = 3


class WeightsError(VisusError):
    """A file of weights that cannot be read, or that belongs to another network."""


def read_weights(path: str | Path) -> tuple[StateDict, dict[str, str]]:
    """The weights in a file, and what the file says about them. Never runs code that a file may hold.

    Args:
        path: a ``.safetensors`` file, or whatever ``torch.save`` wrote: a state dict, or a dict that holds one under
            ``model`` or ``state_dict``.

    Returns:
        Tensors by name on the CPU, and the file's metadata, which is empty unless it is a ``.safetensors`` file.

    Raises:
        WeightsError: the file is missing, empty, cut short, no file of weights, or holds more than tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path}: {'a folder, not a file of weights' if path.is_dir() else 'no such file'}")
    if path.stat().st_size == 0:
        raise WeightsError(f"{path}: the file is empty; fetch or write it again")
    return _read_safetensors(path) if path.suffix == ".safetensors" else (_read_torch(path), {})


def save_weights(path: str | Path, state: State, metadata: Mapping[str, str]) -> None:
    """Writes a ``.safetensors`` file. A reader sees the old file or the whole new one, never a part.

    Args:
        path: where; its folder is made if need be.
        state: tensors by name, on any device.
        metadata: what a reader needs to know to use them.

    Raises:
        DiskFullError: there is no room for the file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Clones, because the format refuses tensors that share memory or are not laid out in a row.
    whole = {key: value.detach().to("cpu", copy=True).contiguous() for key, value in state.items()}
    with whole_file(path) as part:
        save_file(whole, part, metadata=dict(metadata))


def load_state(model: nn.Module, state: State, *, source: str) -> None:
    """Puts weights into a network, all of them or none.

    Args:
        model: the network, changed in place.
        state: tensors by name. The counters of batch norms may be there or not.
        source: the file or the name that the message blames.

    Raises:
        WeightsError: names or shapes differ; the message lists the first and says what the weights look like.
    """
    wanted = model.state_dict()
    given = {key: value for key, value in state.items() if key in wanted or not key.endswith(".num_batches_tracked")}
    missing = [key for key in wanted if key not in given and not key.endswith(".num_batches_tracked")]
    unexpected = [key for key in given if key not in wanted]
    misshaped = [key for key in wanted if key in given and wanted[key].shape != given[key].shape]
    if missing or unexpected or misshaped:
        shapes = [f"{key} is {list(given[key].shape)} but must be {list(wanted[key].shape)}" for key in misshaped]
        lines = [
            f"{source}: these weights do not fit {type(model).__name__}. They look like {describe(state)}.",
            *_first("names that the network needs and the file lacks", missing),
            *_first("names in the file that the network does not have", unexpected),
            *_first("shapes that differ", shapes),
            *_advice(state, wanted, misshaped if not (missing or unexpected) else []),
        ]
        raise WeightsError("\n".join(lines))
    model.load_state_dict(given, strict=False)  # compared above; what may still differ are the counters


def remap_torchvision(state: State) -> StateDict:
    """The names of torchvision's detectors as they are today, for files from 2019 and after.

    The older files lack the two levels that ``fpn.*_blocks.{i}.0``, ``rpn.head.conv.0.0`` and ``mask_head.{i}.0`` have.
    Names that are new already, or of other networks, stay as they are.
    """
    patterns = (
        (re.compile(r"(fpn\.(?:inner|layer)_blocks\.\d+)\.(weight|bias)$"), r"\1.0.\2"),
        (re.compile(r"(rpn\.head\.conv)\.(weight|bias)$"), r"\1.0.0.\2"),
    )
    remapped: dict[str, Tensor] = {}
    for key, value in state.items():
        name = key
        for pattern, new in patterns:
            name = pattern.sub(new, name)
        name = re.sub(r"mask_head\.mask_fcn(\d+)\.", lambda found: f"mask_head.{int(found[1]) - 1}.0.", name)
        remapped[name] = value
    return remapped


def set_frozen_eps(model: nn.Module, eps: float) -> int:
    """Sets the epsilon of every `FrozenBatchNorm2d` in a network, and says how many there are.

    The epsilon is no part of a state dict. Published detectors with ResNet-50 pyramids were trained with 0, against the
    1e-5 of the class; with the wrong one all still works, a little worse.
    """
    frozen = [module for module in model.modules() if isinstance(module, FrozenBatchNorm2d)]
    for module in frozen:
        module.eps = eps
    return len(frozen)


def frozen_eps(model: nn.Module) -> float | None:
    """The epsilon of a network's `FrozenBatchNorm2d`, for the metadata of its weights; None where it has none."""
    return next((module.eps for module in model.modules() if isinstance(module, FrozenBatchNorm2d)), None)


def describe(state: State) -> str:
    """What kind of network weights belong to, judged by their names."""
    keys = [re.sub(r"^(module\.|model\.|_orig_mod\.)+", "", key) for key in state]
    kind = next((name for mark, name in _MARKS if any(mark in key for key in keys)), "no network that visus knows")
    body = next((name for mark, name in _BODIES if any(re.search(mark, key) for key in keys)), "")
    classes = next((f", {value.shape[0]} outputs" for key, value in state.items() if key.endswith(_CLASSIFIERS)), "")
    if body and kind in ("a ResNet", "a MobileNetV3", "an EfficientNet-Lite"):
        return f"a classifier of images ({body}){classes}"
    return kind + (f" with {body}" if body else "") + classes


# How files of torch.save begin: a zip archive today, a pickle before 2020.
_TORCH_STARTS = (b"PK\x03\x04", b"\x80")
_DAMAGES = (RuntimeError, EOFError, OSError, ValueError, LookupError, struct.error, zipfile.BadZipFile)
_MARKS = (
    ("keypoint_predictor", "a Keypoint R-CNN"),
    ("mask_predictor", "a Mask R-CNN"),
    ("roi_heads.box_predictor", "a Faster R-CNN"),
    ("scale_weight", "an SSD"),
    ("head.regression_head.bbox_ctrness", "an FCOS"),
    ("head.classification_head", "a one-stage detector such as RetinaNet or SSDlite"),
    ("classifier.0.convs", "a DeepLabv3"),
    ("aux_classifier", "an FCN for segmentation"),
    ("_conv_stem", "the packaged EfficientNet-Lite (remap_packaged gives its names here)"),
    ("depthwise.conv", "an EfficientNet-Lite"),
    ("block.0.0.weight", "a MobileNetV3"),
    ("backbone.layer4.", "a segmentation network"),
    ("layer4.", "a ResNet"),
    ("features.28.weight", "a VGG-16"),
)
_BODIES = (
    (r"layer3\.22\.", "ResNet-101"),
    (r"layer4\.2\.conv3", "ResNet-50"),
    (r"layer4\.2\.conv2", "ResNet-34"),
    (r"layer4\.1\.conv2", "ResNet-18"),
    (r"body\.16\.0|features\.16\.0", "MobileNetV3-Large"),
    (r"depthwise\.conv", "EfficientNet-Lite"),
)
_CLASSIFIERS = ("cls_score.weight", "fc.weight", "classifier.weight", "classifier.6.weight", "classifier.3.weight")
_HEADS = ("cls_score", "bbox_pred", "mask_fcn_logits", "kps_score_lowres", "fc", "classifier", "6", "3")


def _first(what: str, names: list[str]) -> list[str]:
    """One line with the first of several names, none for none."""
    if not names:
        return []
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"  {what} ({len(names)}): {', '.join(names[:_SHOWN])}{rest}"]


def _advice(state: State, wanted: State, only_misshaped: Iterable[str]) -> list[str]:
    """What to do, where the pattern of differences tells."""
    for prefix in ("module.", "model.", "_orig_mod."):
        stripped = {key.removeprefix(prefix) for key in state}
        if all(key.startswith(prefix) for key in state) and len(stripped & wanted.keys()) > len(wanted) / 2:
            return [f"  All names begin with {prefix!r}, which a wrapper of the network added: take it away."]
    heads = list(only_misshaped)
    if heads and all(key.split(".")[-2] in _HEADS for key in heads):
        return ["  Only the last layers differ: build the network with the file's number of classes."]
    return []


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path}: no .safetensors file, or cut short ({error}){_hint(path)}") from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    with path.open("rb") as file:
        start = file.read(4)
    if not start.startswith(_TORCH_STARTS):
        raise WeightsError(f"{path}: not a file of weights{_hint(path)}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise WeightsError(
            f"{path}: refused, because the file holds more than tensors{f' ({found[1]})' if found else ''} or is "
            "damaged. Reading it could run any code. If you trust its author, load it yourself with "
            "torch.load(..., weights_only=False) and save only its state_dict()"
        ) from error
    except _DAMAGES as error:
        raise WeightsError(f"{path}: not a file of weights, or cut short{_hint(path)}") from error
    return _only_tensors(content, path)


def _only_tensors(content: object, path: Path) -> dict[str, Tensor]:
    """The state dict in what ``torch.save`` wrote: the content itself, or an entry of a training checkpoint."""
    for _ in range(_DEPTH):
        if not isinstance(content, Mapping) or all(isinstance(value, Tensor) for value in content.values()):
            break
        inner = next((content[key] for key in ("model", "state_dict") if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            kinds = defaultdict(list)
            for key, value in content.items():
                kinds[type(value).__name__].append(str(key))
            shown = "; ".join(f"{kind}: {', '.join(keys[:_SHOWN])}" for kind, keys in kinds.items())
            raise WeightsError(f"{path}: no state dict in this file, which holds {shown}")
        content = inner
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise WeightsError(f"{path}: no state dict in this file, which holds a {type(content).__name__}")
    return {str(key): value for key, value in content.items()}


def _hint(path: Path) -> str:
    """What a file that is no file of weights seems to be instead."""
    with path.open("rb") as file:
        start = file.read(256).lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "; it begins like a web page: the server sent a message in place of the file"
    if start.startswith(b"version https://git-lfs"):
        return "; it is a Git LFS pointer: run git lfs pull"
    return f"; it has {path.stat().st_size:,} bytes: fetch or write it again"
