"""Weights with what rebuilds their network: of a run, of a file that visus wrote, or published ones by their name."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from visus import catalog
from visus.download import cache_path, fetch
from visus.errors import VisusError
from visus.names import suggestion
from visus.nn.backbones import Backbone, without_pretrained
from visus.nn.published import PACKAGED, PUBLISHED
from visus.nn.weights import StateDict, WeightsError, load_state, read_weights, remap_torchvision, set_frozen_eps
from visus.predict.hub import local_run
from visus.predict.model_words import WEIGHTS_FILE, why_no_model
from visus.predict.published_schemas import published_schema
from visus.predict.renamed import TAUGHT, RenamedDetector, renamed_schema
from visus.types import Schema


@dataclass(frozen=True, kw_only=True)
class StoredWeights:
    """Weights, and what they belong to.

    Args:
        source: where they come from, for messages.
        state: tensors by their names in the network.
        model: the name of the network in the catalog.
        options: of its builder.
        schema: what its labels mean.
        frozen_eps: the epsilon of its `visus.nn.norm.FrozenBatchNorm2d`; None for that of the builder.
        shorter_side: pixels of an image before its middle is cut out; None for the builder's.
        naming: the classifier that gives a detector's boxes their names (`visus teach`); None for their own.
        own_backbone: the qualified name of the backbone of somebody's own that it stands on; empty for the usual one.
    """

    source: str
    state: StateDict
    model: str
    options: Mapping[str, Any]
    schema: Schema
    frozen_eps: float | None = None
    shorter_side: int | None = None
    own_backbone: str = ""
    naming: StoredWeights | None = None

    def network(self, body: Backbone | None = None) -> nn.Module:
        """The network, with these weights in it.

        Args:
            body: the backbone, where it is none of the catalog's.

        Raises:
            WeightsError: they are not those of that network.
            VisusError: it stands on a backbone that has to be given.
        """
        if self.own_backbone and body is None:
            raise VisusError(
                f"{self.source}: this {self.model} stands on a backbone of somebody's own, {self.own_backbone}: "
                "give it in Python, as backbone=..., or to visus predict and evaluate by --own.backbone FILE.py:NAME"
            )
        with without_pretrained():
            model = self._built(body)
        load_state(model, self.state, source=self.source)
        if self.frozen_eps is not None:
            set_frozen_eps(model, self.frozen_eps)
        if self.shorter_side is not None:
            preprocessing: Any = model.transform
            preprocessing.shorter = self.shorter_side
        return model if self.naming is None else self._renamed(model, self.naming)

    def _built(self, body: Backbone | None) -> nn.Module:
        """The network without the weights."""
        try:
            return catalog.build_model(self.model, self._learned_schema(), self.options, body=body)
        except ValueError as error:
            raise WeightsError(f"{self.source}: {error}") from error

    def _learned_schema(self) -> Schema:
        """The schema that the weights were trained with: without the names that were taught later."""
        if self.naming is None:
            return self.schema
        new = self.naming.schema.num_classes - int(bool(self.naming.options.get("rejects")))
        count = self.schema.num_classes - new
        return replace(
            self.schema, categories=self.schema.categories[:count], category_ids=self.schema.category_ids[:count]
        )

    def _renamed(self, detector: nn.Module, naming: StoredWeights) -> nn.Module:
        rejects = bool(naming.options.get("rejects"))
        old = self._learned_schema().num_classes
        return RenamedDetector(detector=detector, classifier=naming.network(), old=old, rejects=rejects)


def find_weights(name_or_run: str | Path) -> StoredWeights:
    """The weights of a run folder or a run on the Hub, of a ``.safetensors`` file of ours, or published ones.

    Raises:
        VisusError: nothing of that name exists; the message says what does.
        WeightsError: the file does not hold weights.
    """
    name_or_run = local_run(name_or_run)
    name, path = str(name_or_run), Path(name_or_run).expanduser()
    if reason := why_no_model(name, models=catalog.MODELS):
        raise VisusError(reason)
    if name in PACKAGED:
        raise VisusError(f"{name} is ready to predict (visus predict {name} IMAGES) and cannot be trained or measured")
    if path.exists():
        file = path / WEIGHTS_FILE if path.is_dir() else path
        return _with_names(_in_file(file), file.parent / TAUGHT / WEIGHTS_FILE)
    if (architecture := architecture_of(name)) is None:
        raise VisusError(f"{name}: its published weights are known, but visus has no such model yet")
    return _published(name, architecture)


def _with_names(stored: StoredWeights, file: Path) -> StoredWeights:
    """A detector with the classifier that names its boxes, where one lies beside it."""
    if not file.is_file():
        return stored
    naming = _in_file(file)
    schema = renamed_schema(stored.schema, naming.schema, rejects=bool(naming.options.get("rejects")))
    return replace(stored, naming=naming, schema=schema)


def architecture_of(name: str) -> str | None:
    """The model that published weights belong to; None where there are none of that name, or no such model yet."""
    # Files of an earlier or a later training of the same network have the name of the network and these endings.
    names = (name, name.removesuffix("_legacy"), name.removesuffix("_v2"))
    return next((other for other in names if name in PUBLISHED and other in catalog.MODELS), None)


def is_cached(name: str) -> bool:
    """Whether published weights lie on this machine already."""
    return cache_path(PUBLISHED[name].url).is_file()


def _in_file(path: Path) -> StoredWeights:
    """Weights that say themselves which model they belong to."""
    state, metadata = read_weights(path)
    missing = [key for key in ("model", "options", "schema") if key not in metadata]
    if missing:
        raise VisusError(
            f"{path}: these weights do not say what they belong to (no {', '.join(missing)} in the file's metadata); "
            "give a run folder, or a file that `visus train` wrote"
        )
    name = metadata["model"]
    if name not in catalog.MODELS:
        raise VisusError(f"{path}: this version of visus has no model {name!r}{suggestion(name, catalog.MODELS)}")
    try:
        return StoredWeights(
            source=str(path),
            state=state,
            model=name,
            options=_record(metadata["options"]),
            schema=Schema.from_json(metadata["schema"]),
            frozen_eps=float(metadata["frozen_eps"]) if "frozen_eps" in metadata else None,
            own_backbone=_record(metadata.get("own", "{}")).get("backbone", ""),
        )
    except ValueError as error:
        raise WeightsError(f"{path}: what the file says of its network is damaged ({error})") from error


def _record(text: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ValueError: it is none.
    """
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError(f"{text:.60} is no JSON object")
    return content


def _published(name: str, architecture: str) -> StoredWeights:
    """torchvision's weights for our network of the same architecture."""
    row, (schema, data) = PUBLISHED[name], published_schema(name)
    note = f"{name}, trained on {data}, {row.licence}"
    path = fetch(row.url, row.sha256_prefix, note=note, size_mb=row.size_mb)
    state, _ = read_weights(path)
    takes = inspect.signature(catalog.MODELS[architecture]).parameters
    return StoredWeights(
        source=f"{name} ({path.name})",
        state={row.prefix + key: value for key, value in remap_torchvision(state).items()},
        model=architecture,
        options={"pretrained": True} if "pretrained" in takes else {},  # which brings their frozen norms
        schema=schema,
        frozen_eps=row.frozen_eps,
        shorter_side=row.shorter_side,
    )
