"""Models as annotators, asked on a real server on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from dagster_project.errors import SteerworksError
from dagster_project.generation import SilentProgress
from dagster_project.lake import Lake
from dagster_project.settings import Home, Settings
from dagster_project.vendors import Merged, export_round, freeze_tasks, judge, merge, status, take_in
from tests.vendors.vendor_inputs import MODELS, exported_tasks, rating


class Judge(ThreadingHTTPServer):
    """Answers in the shape that it is asked for; to every fifth task in no shape at all."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, Any]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Judge

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body)
        schema = body["response_format"]["json_schema"]["schema"]
        made = {name: _made(kind) for name, kind in schema["properties"].items()}
        text = "I would rather not." if len(self.server.asked) % 5 == 0 else f"```json\n{json.dumps(made)}\n```"
        message = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
        reply = {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "j",
            "choices": [message],
            "usage": usage,
        }
        content = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _made(kind: dict[str, Any]) -> Any:
    return {"integer": lambda: kind["enum"][-1], "array": list, "string": lambda: "Clearer."}[kind["type"]]()


@pytest.fixture
def server() -> Iterator[Judge]:
    served = Judge()
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    yield served
    served.shutdown()
    thread.join()
    served.server_close()


@pytest.fixture
def judged(config: Path, home: Home, server: Judge, answered: Any, at_once: None) -> Settings:
    """A vendor with one judge, and a campaign for it."""
    for name, section, entry in (
        ("models", "endpoints", {"judge": {"base_url": f"http://127.0.0.1:{server.server_port}/v1"}}),
        (
            "models",
            "models",
            {
                "strict-judge": {
                    "endpoint": "judge",
                    "name": "j",
                    "revision": "1",
                    "sampling": {"max_tokens": 400},
                    "terms": {"licence": "CC0-1.0", "outputs_may_train": True},
                }
            },
        ),
        (
            "vendors",
            "vendors",
            {"judges": {"kind": "model", "licence": "CC0-1.0", "slots": "fixed", "judges": ["strict-judge"]}},
        ),
        (
            "campaigns",
            "campaigns",
            {
                "by-model": {"vendor": "judges", "guideline_version": "1", "annotators_per_task": 1}
                | {"pairing": {"prompt_batches": ["starter"], "models": list(MODELS)}}
            },
        ),
    ):
        path = config / f"{name}.yaml"
        content = yaml.safe_load(path.read_text())
        content[section] |= entry
        path.write_text(yaml.safe_dump(content))
    return Settings(config, home)


def test_a_judge_rates_by_the_rubric_and_is_asked_once(lake: Lake, judged: Settings, server: Judge) -> None:
    freeze_tasks(lake, judged, "by-model")
    export_round(lake, judged, "by-model", 1)
    (done,) = judge(lake, judged, "by-model", SilentProgress())
    assert (done.judge, done.rated, done.failed) == ("strict-judge", 10, 0)
    asked = server.asked[0]
    assert asked["response_format"]["json_schema"]["schema"]["properties"]["helpfulness_2"]["enum"] == [0, 1, 2, 3, 4]
    assert judged.rubric_of("by-model").instructions[:60] in asked["messages"][-1]["content"]
    assert not [name for name in MODELS if name in json.dumps(asked)]
    (report,) = take_in(lake, judged, "judges")
    assert (report.accepted, report.rules) == (16, {"missing_field": 4})
    assert merge(lake, "by-model") == Merged(used=16, quarantined=4)
    rows = lake.read("annotations").to_dicts()
    assert {(tuple(row["scores"]), row["preference"], row["justification"]) for row in rows} == {
        ((4,) * 5, 3, "Clearer.")
    }
    judge(lake, judged, "by-model", SilentProgress())
    assert len(server.asked) == 10


@pytest.fixture
def beside_people(judged: Settings, acme: str) -> Settings:
    """The judges' vendor, and people's campaign `first` over answers of the same models."""
    return changed(judged, "first", pairing={"prompt_batches": ["starter"], "models": list(MODELS)})


def test_a_models_ratings_do_not_count_among_peoples(
    lake: Lake, beside_people: Settings, deliver: Callable[..., Path]
) -> None:
    freeze_tasks(lake, beside_people, "first")
    tasks = exported_tasks(export_round(lake, beside_people, "first", 1))
    with pytest.raises(SteerworksError, match="`with_models` of `first` in campaigns"):
        judge(lake, beside_people, "first", SilentProgress())
    deliver("judges", "theirs.jsonl", [rating(tasks[0], annotator="strict-judge")])
    (report,) = take_in(lake, beside_people, "judges")
    assert (report.accepted, report.rules) == (0, {"unknown_task": 1})


def test_a_campaign_may_say_that_models_count_with_people(
    lake: Lake, beside_people: Settings, deliver: Callable[..., Path]
) -> None:
    admitted = changed(beside_people, "first", with_models="judges")
    freeze_tasks(lake, admitted, "first")
    tasks = exported_tasks(export_round(lake, admitted, "first", 1))
    judge(lake, admitted, "first", SilentProgress())
    deliver("acme", "people.jsonl", [rating(tasks[0], side, annotator="strict-judge") for side in (0, 1)])
    assert [take_in(lake, admitted, vendor)[0].accepted for vendor in ("judges", "acme")] == [16, 2]
    assert merge(lake, "first") == Merged(used=18, quarantined=4)
    vendors = lake.read("annotations", {"campaign": "first"}).group_by("vendor").agg(pl.col("annotator").n_unique())
    assert dict(vendors.iter_rows()) == {"judges": 1, "acme": 1}
    assert lake.read("annotations")["annotator"].n_unique() == 2, "an id of two vendors is two annotators"
    now = status(lake, admitted, "first")
    assert (now.ordered, now.delivered, now.outstanding) == (30, 1, 29), "models take no person's place"


@pytest.mark.parametrize(
    ("campaign", "vendor", "told"),
    [
        ("first", "acme", "campaign `first`: with_models: `acme` is no vendor of kind `model`.*It has: judges"),
        ("first", "nobody", "campaign `first`: with_models: `nobody` is no vendor"),
        ("by-model", "judges", "campaign `by-model`: with_models: its vendor `judges` is a model already"),
    ],
)
def test_only_models_are_admitted_and_only_beside_people(
    beside_people: Settings, campaign: str, vendor: str, told: str
) -> None:
    with pytest.raises(SteerworksError, match=told):
        _ = changed(beside_people, campaign, with_models=vendor).campaigns


def changed(settings: Settings, campaign: str, **keys: Any) -> Settings:
    path = settings.folder / "campaigns.yaml"
    content = yaml.safe_load(path.read_text())
    content["campaigns"][campaign] |= keys
    path.write_text(yaml.safe_dump(content))
    return Settings(settings.folder, settings.home)


def test_a_vendor_of_models_names_its_judges(config: Path, home: Home) -> None:
    path = config / "vendors.yaml"
    path.write_text(path.read_text().replace("kind: simulated", "kind: model"))
    with pytest.raises(SteerworksError, match="names its `judges`"):
        _ = Settings(config, home).vendors
