"""The server keeps to its own description: random requests, right and wrong, are answered as OpenAPI says they may be.

schemathesis makes the requests out of `/openapi.json`; of those with files some carry an image, a cut one or a bomb.
"""

from __future__ import annotations

import importlib
import io
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from galleries.painted import MeanColours, painted
from server.tiny import image_bytes, make_run, serving
from visus.galleries import Gallery

schemathesis = pytest.importorskip("schemathesis", reason="the package schemathesis is not installed")
openapi_checks = importlib.import_module("schemathesis.specs.openapi.checks")

OPERATIONS = (
    ("GET", "/api/models"),
    ("GET", "/api/models/{model}/examples/{number}"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/metrics"),
    ("POST", "/api/ask"),
    ("POST", "/api/corrections"),
    ("POST", "/api/generate"),
    ("POST", "/api/models/{model}/reload"),
    ("POST", "/api/predict"),
    ("POST", "/api/predict/batch"),
    ("POST", "/api/search"),
    ("POST", "/api/teach"),
)
EXAMPLES = 12
MODELS = ("boxes", "graphs", "scenes")


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """A client of a server with three models and a gallery, and the description that it gives of itself."""
    folder = tmp_path_factory.mktemp("described")
    runs = [make_run(folder, name) for name in MODELS]
    images = painted(folder / "images", 3)
    with Gallery.create(folder / "gallery", model=MeanColours()) as gallery:
        gallery.add(str(images))
        with serving(runs, gallery, work=folder / "work", max_pixels=1_000_000, max_bytes=200_000) as (client, _):
            yield client, schemathesis.openapi.from_dict(client.get("/openapi.json").json())


def bomb() -> bytes:
    content = io.BytesIO()
    Image.new("1", (2000, 2000)).save(content, "PNG")
    return content.getvalue()


FILES = (image_bytes(), image_bytes(kind="JPEG"), image_bytes()[:300], bomb())
WORDS = ("a cat on a couch", "how many cats are there?", "a red ball on top of a table", "x.json", "{}", "[]")
OBJECTS = [{"category_id": 1, "bbox": [5, 5, 20, 30]}]


def with_files(case: Any, chosen: bytes) -> None:
    """Puts a file in the place of what was made up for it."""
    if case.method == "POST" and isinstance(case.body, dict):
        names = case.operation.body[0].definition.get("schema", {}).get("properties", {})
        case.body = {name: [chosen] if "s" in name[-1:] else chosen for name in names}
        if "annotations" in names:
            case.body["annotations"] = json.dumps(OBJECTS)


def sent(client: Any, case: Any) -> Any:
    """The answer to a request; its body is put together as the package requests does."""
    import requests

    made = requests.Request(**case.as_transport_kwargs(base_url="http://localhost")).prepare()
    return client.request(made.method, made.url, content=made.body, headers=dict(made.headers))


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda one: str(one))
def test_answers_are_those_of_the_description(described: tuple[Any, Any], method: str, path: str) -> None:
    client, schema = described
    operation = schema[path][method]
    modes = schemathesis.GenerationMode
    cases = st.one_of(*[operation.as_strategy(generation_mode=mode) for mode in (modes.POSITIVE, modes.NEGATIVE)])
    statuses: Counter[int] = Counter()
    # Not whether a request of the right form is taken: that an image is one, or too large, no form can say.
    names = ("status_code", "content_type", "response_schema", "response_headers", "allow_header")
    checks = [getattr(openapi_checks, f"{name}_conformance") for name in names]

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=cases, data=st.data())
    def one(case: Any, data: Any) -> None:
        if data.draw(st.booleans(), "with a file"):
            with_files(case, data.draw(st.sampled_from(FILES)))
        if case.method == "POST" and data.draw(st.booleans(), "by a model that is there"):
            case.query = {**(case.query or {}), "model": data.draw(st.sampled_from(MODELS))}
        if case.query and "phrase" in case.query and data.draw(st.booleans(), "with words"):
            case.query["phrase"] = data.draw(st.sampled_from(WORDS))
        if case.path_parameters and "model" in case.path_parameters and data.draw(st.booleans(), "of a model"):
            case.path_parameters["model"] = "boxes"
        answer = sent(client, case)
        statuses[answer.status_code] += 1
        assert answer.status_code < 500 or (answer.status_code == 503 and "retry-after" in answer.headers)
        case.validate_response(answer, checks=checks)

    one()
    print(f"{method} {path}: {dict(statuses)}")


def test_the_list_above_is_whole(described: tuple[Any, Any]) -> None:
    _, schema = described
    found = {(one.ok().method.upper(), one.ok().path) for one in schema.get_all_operations()}
    assert found == set(OPERATIONS)
