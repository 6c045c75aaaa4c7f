"""Runs on the Hugging Face Hub: its real client against a stand-in of its API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from brightness import NAME, SCHEMA, offer, write_run
from hub_server import TOKEN, Hub, Repository
from visus import catalog
from visus.predict.hub import HubError, check_files
from visus.predict.stored import find_weights
from visus.runs.hub_push import stage
from visus.runs.model_card import PIPELINES, model_card
from visus.training.recipe import Recipe
from visus.training.run import RunFolder

pytest.importorskip("huggingface_hub", reason="pip install huggingface_hub")

SCRIPT = """
import json, os, sys, urllib.request
import pytest
from brightness import PROBLEM, offer, write_run
from pathlib import Path
from visus.predict.hub import pulled
from visus.runs.hub_push import push
from visus.runs.model_card import PIPELINES

def stop():
    urllib.request.urlopen(urllib.request.Request(os.environ["HF_ENDPOINT"] + "/stop", method="POST"))

def damage(file):
    content = bytearray(Path(file).read_bytes())
    content[-1] ^= 1
    Path(file).resolve().write_bytes(content)

def level(folder, value):
    write_run(Path(folder), level=value)

offer(pytest.MonkeyPatch())
PIPELINES[PROBLEM.name] = None
verbs = {"push": push, "pull": pulled, "token": lambda t: os.environ.update(HF_TOKEN=t)}
verbs |= {"stop": stop, "damage": damage, "level": level}
said = []
for verb, *words in json.loads(sys.argv[1]):
    try:
        said.append(str(verbs[verb](*(said[word] if isinstance(word, int) else word for word in words))))
    except Exception as error:
        said.append(f"{type(error).__name__}: {error}")
print("SAID" + json.dumps(said))
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run with numbers, whose recipe holds a path of this machine."""
    offer(monkeypatch)
    monkeypatch.setitem(PIPELINES, "finding light", "object-detection")
    folder = RunFolder(write_run(tmp_path / "run"))
    recipe = Recipe.from_json(json.dumps({"name": "lights", "model": NAME, "data": {"root": "/somewhere/lamps"}}))
    folder.create(recipe)
    said = {"box AP": {"headline": True}, "box AP50": {}, "seconds": {"unit": "number", "headline": True}}
    folder.write_metrics({"box AP": 0.5, "box AP50": 0.75, "seconds": None, "pictures": 7, "measures": said})
    (folder.path / "last.ckpt").write_bytes(b"a pickle")
    return folder


def test_the_card_says_what_the_numbers_were_measured_on(run: RunFolder) -> None:
    text = model_card(run, SCHEMA, "hf://me/lights", licence="mit")
    head = yaml.safe_load(text.split("---\n")[1])
    assert (head["library_name"], head["license"], head["pipeline_tag"]) == ("visus", "mit", "object-detection")
    from huggingface_hub import ModelCard

    [result] = ModelCard(text).data.eval_results  # as the Hub's own client reads it
    recipe = run.recipe()
    assert (result.metric_name, result.metric_value, result.dataset_split) == ("box AP", 0.5, recipe.data.val)
    assert f"Measured on 7 images of the split `{recipe.data.val}`" in text
    assert "| box AP | 50.0 |" in text
    assert "box AP50" not in text
    assert "light, glow" in text
    assert "somewhere" not in text
    run.metrics_file.unlink()
    bare = model_card(run, SCHEMA, "hf://me/lights")
    assert "model-index" not in bare
    assert "has not been measured" in bare
    assert "Nobody has stated one" in bare


def test_every_problem_has_a_name_of_the_hubs_or_none() -> None:
    assert set(PIPELINES) == set(catalog.PROBLEMS)


def in_process(place: Path, hub: Hub, *steps: tuple[Any, ...]) -> list[str]:
    """What each step says, in a process of its own: the client reads its settings when it is imported.

    A number among the words of a step means what that step said.
    """
    settings = {"HF_ENDPOINT": hub.address, "HF_HOME": str(place / "hf"), "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}
    settings["PYTHONPATH"] = os.pathsep.join([*sys.path, str(Path(__file__).parents[1])])
    command = [sys.executable, "-c", SCRIPT, json.dumps(steps)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **settings}, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    said: list[str] = json.loads(done.stdout.rpartition("SAID")[2])
    return said


def test_a_run_goes_to_the_hub_and_comes_back(run: RunFolder, tmp_path: Path) -> None:
    hub, name, folder = Hub(), "me/lights", str(run.path)
    hub.repositories["me/secret"] = Repository(private=True, branches={"main": "1" * 40}, commits={"1" * 40: {}})
    other = {"pytorch_model.bin": b"a pickle"}
    hub.repositories["me/bert"] = Repository(private=False, branches={"main": "1" * 40}, commits={"1" * 40: other})
    said = in_process(
        tmp_path,
        hub,
        ("push", folder, name),
        ("pull", f"hf://{name}"),
        ("level", folder, 0.5),
        ("push", folder, f"hf://{name}"),
        ("pull", 0),
        ("pull", f"hf://{name}"),
        ("pull", "hf://me/nothing"),
        ("pull", f"hf://{name}@v9"),
        ("pull", "hf://lights"),
        ("pull", "hf://me/bert"),
        ("token", "hf_bad"),
        ("pull", "hf://me/secret"),
        ("push", folder, name),
        ("token", TOKEN),
        ("stop",),
        ("pull", f"hf://{name}"),
        ("pull", "hf://me/other"),
    )
    first, pulled, _, second, former, latest, none, revision, broken, bert = said[:10]
    repository = hub.repositories[name]
    files = repository.commits[repository.branches["main"]]
    assert repository.private
    assert second == f"hf://{name}@{repository.branches['main']}" != first
    own = {"README.md", "visus.json", "recipe.json", "schema.json", "metrics.json", "weights.safetensors"}
    assert set(files) == own  # no checkpoint
    assert repository.large == {"weights.safetensors"}
    assert json.loads(files["recipe.json"])["data"]["root"] == "lamps"  # and not where it lies
    levels = [round(float(find_weights(place).state["head.level"]), 3) for place in (pulled, former, latest)]
    assert levels == [0.9, 0.9, 0.5]

    assert "me/nothing: no such repository, or a private one" in none
    assert revision == f"HubError: hf://{name}@v9: the repository has no such revision"
    assert broken.startswith("HubError: hf://lights: an address on the Hub is")
    assert bert == "HubError: hf://me/bert: no run of visus: the repository has no visus.json"
    assert not any("pytorch_model" in request for request in hub.requests)
    _, secret, refused, _, _, offline, unreached = said[10:]
    assert all(one.startswith("HubError") and "HF_TOKEN" in one for one in (secret, refused))
    assert offline == latest  # from the cache
    assert "cannot be reached" in unreached
    assert not any("\n" in one for one in said)


def test_a_damaged_file_of_the_cache_is_told(run: RunFolder, tmp_path: Path) -> None:
    stage(run, SCHEMA, tmp_path, "hf://me/lights")
    check_files("hf://me/lights", tmp_path)
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(HubError, match=f"{weights}: has another SHA-256"):
        check_files("hf://me/lights", tmp_path)
    weights.unlink()
    with pytest.raises(HubError, match=r"the repository has no weights.safetensors"):
        check_files("hf://me/lights", tmp_path)
