"""Tasks over responses that exist already."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dagster_project.errors import SteerworksError
from dagster_project.identity import stable_id
from dagster_project.lake import Lake
from dagster_project.settings import Settings
from dagster_project.vendors import freeze_tasks


@pytest.fixture
def file(config: Path, tmp_path: Path) -> Path:
    """The file that the campaigns `bring` and `again` name."""
    path = tmp_path / "imported.jsonl"
    with (config / "campaigns.yaml").open("a") as campaigns:
        for slug in ("bring", "again"):
            campaigns.write(f'  {slug}: {{vendor: simulated, guideline_version: "1", imported: "{path}"}}\n')
    return path


def row(task_id: str = "a:1", **changes: Any) -> dict[str, Any]:
    content = {"task_id": task_id, "prompt": "Why?", "responses": [{"response_id": f"{task_id}.r", "response": "So."}]}
    return {name: value for name, value in {**content, **changes}.items() if value is not None}


def write(path: Path, *rows: dict[str, Any] | str) -> None:
    path.write_text("".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in rows))


def refusal(lake: Lake, settings: Settings) -> str:
    with pytest.raises(SteerworksError) as error:
        freeze_tasks(lake, settings, "bring")
    assert not lake.exists("annotation_tasks", {"campaign": "bring"})
    return str(error.value)


def test_ids_are_taken_verbatim_and_a_prompt_is_one_user_turn(lake: Lake, settings: Settings, file: Path) -> None:
    write(file, row("Item-7_x:0.1", source="a set", licence="MIT"))
    frozen = freeze_tasks(lake, settings, "bring")
    (task,) = lake.read("annotation_tasks", {"campaign": "bring"}).to_dicts()
    assert (frozen.tasks, frozen.responses) == (1, 1)
    messages = [{"role": "user", "content": "Why?"}]
    assert (task["task_id"], task["response_id"], task["position"]) == ("Item-7_x:0.1", "Item-7_x:0.1.r", 1)
    assert (task["messages"], task["prompt_id"]) == (messages, stable_id("p", messages))
    assert (task["source"], task["source_licence"], task["model"]) == ("a set", "MIT", None)


def test_two_responses_keep_the_order_of_the_file(lake: Lake, settings: Settings, file: Path) -> None:
    responses = [{"response_id": "z", "response": "1", "model": "m1"}, {"response_id": "a", "response": "2"}]
    write(file, row(responses=responses))
    freeze_tasks(lake, settings, "bring")
    tasks = lake.read("annotation_tasks", {"campaign": "bring"})
    assert tasks["response_id"].to_list() == ["z", "a"]
    assert tasks["model"].to_list() == ["m1", None]


def test_the_terms_of_a_model_are_kept_with_its_responses(lake: Lake, settings: Settings, file: Path) -> None:
    terms = {"model": "m1", "licence": "MIT", "outputs_may_train": True}
    responses = [{"response_id": "z", "response": "1", **terms}, {"response_id": "a", "response": "2"}]
    write(file, row(responses=responses))
    freeze_tasks(lake, settings, "bring")
    tasks = lake.read("annotation_tasks", {"campaign": "bring"})
    assert tasks.select("model", "model_licence", "outputs_may_train").rows() == [("m1", "MIT", True), (None,) * 3]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (row("a b"), "task_id: an id has 1 to 128 of the characters"),
        (row(task_id="x" * 129), "task_id: an id has 1 to 128"),
        (row(task_id="a\n"), "task_id: an id has 1 to 128"),
        (row(prompt=None), "give either `prompt` or `messages`"),
        (row(messages=[{"role": "user", "content": "Hi"}]), "and not both"),
        (row(prompt=None, messages=[{"role": "assistant", "content": "Hi"}]), "must be the user's"),
        (row(prompt=None, messages=[]), "must be the user's"),
        (row(responses=[]), "`responses` must hold one or two"),
        (row(responses=[{"response_id": "r", "response": "1"}] * 2), "the same response_id"),
        (row(responses=[{"response_id": "r"}]), "responses.0.response: this field is missing"),
        (row(sorce="x"), "sorce: no such field here"),
        ("{not json", "not JSON"),
        ("[1]", "not an object"),
        ('{"task_id": "\\ud800"}', "not JSON"),
    ],
)
def test_a_bad_row_is_named_with_file_row_and_rule(
    lake: Lake, settings: Settings, file: Path, line: Any, rule: str
) -> None:
    write(file, row("good"), line)
    message = refusal(lake, settings)
    assert f"{file}, row 2: " in message
    assert rule in message


def test_an_id_cannot_stand_for_two_things(lake: Lake, settings: Settings, file: Path) -> None:
    other = [{"response_id": "a:1.r", "response": "Something else."}]
    write(file, row("a:1"), row("a:1"), row("a:2", responses=other))
    message = refusal(lake, settings)
    assert "row 2: task_id: `a:1` stands in row 1 already" in message
    assert "row 3: response_id: `a:1.r` stands for another response in row 1" in message


def test_a_task_of_another_campaign_is_refused(lake: Lake, settings: Settings, file: Path) -> None:
    write(file, row("a:1"))
    freeze_tasks(lake, settings, "again")
    assert "`a:1` is a task of another campaign" in refusal(lake, settings)


def test_of_many_bad_rows_the_first_twenty_are_listed(lake: Lake, settings: Settings, file: Path) -> None:
    write(file, *["[]"] * 25)
    message = refusal(lake, settings)
    assert message.count("not an object") == 20
    assert "… and 5 more." in message


@pytest.mark.parametrize(("content", "rule"), [(b"", "holds no task"), (b"\xff\xfe{", "not UTF-8")])
def test_a_file_that_is_empty_or_not_utf_8_is_refused(
    lake: Lake, settings: Settings, file: Path, content: bytes, rule: str
) -> None:
    file.write_bytes(content)
    assert rule in refusal(lake, settings)


def test_an_absent_file_is_named(lake: Lake, settings: Settings, file: Path) -> None:
    assert f"{file}: no such file" in refusal(lake, settings)
