"""The whole history of one response, task, prompt or annotation, from its source to the releases that hold it.

Belongs here: finding the history. Does not belong here: laying it out as a page (`history.md.jinja`, `page`).

Ids are looked up in the Parquet files themselves: no other campaign's tables are opened. Rows are read by the ids that
a table is sorted by, as far as they are known, for by the bounds of these DuckDB leaves out row groups; and by the
others that the catalogue calls sought, by the Bloom filters that row groups have of these.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dagster_project.errors import SteerworksError
from dagster_project.lake import Paths, Session
from dagster_project.releases.folders import built_versions, open_table
from dagster_project.settings import Settings
from dagster_project.settings.attribute_names import attribute_names

Row = dict[str, Any]
TEMPLATE = Path(__file__).with_name("history.md.jinja")
UNIT_SEPARATOR = "@"
CAMPAIGN_TABLES = (
    *("annotation_tasks", "consensus", "preferences", "top_up_tasks", "deliveries", "annotation_fates", "intake"),
    "retained_annotations",
)


@dataclass(frozen=True)
class History:
    """What is known of an id.

    ``kind`` is `prompt`, `response`, `task` or `annotation`. Each list holds rows: prompts as they were delivered,
    the selection, answers of models, responses in the order in which tasks show them, ratings with their fate, and
    what each release says of each task.
    """

    id: str
    kind: str
    prompts: list[Row] = field(default_factory=list)
    selections: list[Row] = field(default_factory=list)
    answers: list[Row] = field(default_factory=list)
    tasks: list[Row] = field(default_factory=list)
    ratings: list[Row] = field(default_factory=list)
    releases: list[Row] = field(default_factory=list)


def explain(lake: Paths, settings: Settings, wanted: str) -> History:
    """Return the history of an id.

    An annotation is named by its task, response and annotator: ``t-…@r-…@a-…``.

    Raises:
        SteerworksError: nothing in the lake has this id.
    """
    unit = wanted.split(UNIT_SEPARATOR)
    with Session() as session:
        found = _Finder(lake, settings, session, unit[0]).history()
    if len(unit) == len(("task", "response", "annotator")):
        found = _of_annotation(found, wanted, unit[1], unit[2])
    if found is None:
        raise SteerworksError(
            f"nothing in {lake.root} has the id `{wanted}`. Give a prompt's, response's or task's id, or an "
            "annotation's as TASK@RESPONSE@ANNOTATOR."
        )
    return found


def page(history: History) -> str:
    """Return a history as Markdown."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - only a page needs it

    environment = Environment(  # noqa: S701 - the output is Markdown in a terminal
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(history=history)


def _of_annotation(found: History | None, wanted: str, response: str, annotator: str) -> History | None:
    """Keep of a task's history what concerns one annotation."""
    if found is None or found.kind != "task":
        return None
    ratings = [row for row in found.ratings if (row["response_id"], row["annotator"]) == (response, annotator)]
    if not ratings:
        return None
    return History(
        wanted,
        "annotation",
        found.prompts,
        found.selections,
        [row for row in found.answers if row["response_id"] == response],
        found.tasks,
        ratings,
        found.releases,
    )


@dataclass(frozen=True)
class _Finder:
    """Looks one id up."""

    lake: Paths
    settings: Settings
    session: Session
    id: str

    def history(self) -> History | None:
        """Return the history, or None if nothing has the id."""
        self.session.table(self.lake, "annotation_tasks")
        shown = self.session.records("explain/named_tasks", {"id": self.id})
        answers = self._answers(shown)
        prompt_ids = _distinct([*shown, *answers], "prompt_id") or [self.id]
        prompts, selections = self._prompts(prompt_ids)
        if not (shown or answers or prompts):
            return None
        task_ids, campaigns = _distinct(shown, "task_id"), _distinct(shown, "campaign")
        tasks: list[Row] = []
        ratings: list[Row] = []
        for campaign in campaigns:
            for table in CAMPAIGN_TABLES:
                self.session.table(self.lake, table, {"campaign": campaign})
            names, wanted = self._attributes(campaign), {"task_ids": task_ids}
            tasks += self._tasks(campaign, names, wanted)
            ratings += [_with_names(row, names) for row in self._rows("task_ratings", wanted)]
        return History(
            self.id,
            self._kind(task_ids, _distinct([*shown, *answers], "response_id")),
            prompts,
            selections,
            answers,
            tasks,
            ratings,
            self._releases(task_ids),
        )

    def _kind(self, task_ids: list[str], response_ids: list[str]) -> str:
        if self.id in task_ids:
            return "task"
        return "response" if self.id in response_ids else "prompt"

    def _answers(self, shown: list[Row]) -> list[Row]:
        """Return the answers behind the shown responses; for a prompt, all that were given to it."""
        self.session.table(self.lake, "responses")
        answered = shown or self._rows("answered_prompts", {"id": self.id})
        wanted = {
            "prompt_ids": _distinct(answered, "prompt_id") or [self.id],
            "named": [self.id, *_distinct(shown, "response_id")],
        }
        return self._rows("named_responses", wanted)

    def _prompts(self, prompt_ids: list[str]) -> tuple[list[Row], list[Row]]:
        for table in ("raw_prompts", "curated_prompts", "selected_prompts"):
            self.session.table(self.lake, table)
        wanted = {"prompt_ids": prompt_ids}
        prompts = self.session.records("explain/prompt_rows", wanted)
        return prompts, self.session.records("explain/selections", wanted)

    def _tasks(self, campaign: str, names: list[str], wanted: dict[str, list[str]]) -> list[Row]:
        """Return a campaign's tasks, each with its responses in shown order, its preference and further orders."""
        preferences = {row["task_id"]: row for row in self._rows("task_preferences", wanted)}
        orders = self._rows("task_orders", wanted)
        shown = [_with_names(row, names) for row in self._rows("shown_responses", wanted)]
        return [
            {
                "task_id": task_id,
                "campaign": campaign,
                **{name: responses[0][name] for name in ("prompt_id", "vendor", "guideline_version", "annotators")},
                **{name: responses[0][name] for name in ("messages", "source", "source_licence", "completion_model")},
                "closed": self.lake.exists("campaign_closings", {"campaign": campaign}),
                "responses": responses,
                "preference": preferences.get(task_id),
                "orders": [order for order in orders if order["task_id"] == task_id],
            }
            for task_id in wanted["task_ids"]
            if (responses := [row for row in shown if row["task_id"] == task_id])
        ]

    def _releases(self, task_ids: list[str]) -> list[Row]:
        found = []
        for version in built_versions(self.settings.home) if task_ids else ():
            open_table(self.session, "released_tasks", self.settings.home.releases / version, "provenance/tasks")
            found += [{"version": version, **row} for row in self._rows("released_tasks", {"task_ids": task_ids})]
        return found

    def _rows(self, statement: str, wanted: dict[str, Any]) -> list[Row]:
        return self.session.records(f"explain/{statement}", wanted)

    def _attributes(self, campaign: str) -> list[str]:
        """Return the attributes' names; none if the campaign is configured no more."""
        try:
            return attribute_names(self.settings.folder, campaign)
        except SteerworksError:
            return []


def _with_names(row: Row, names: list[str]) -> Row:
    """Give ratings their attributes' names, which are stored by place."""
    scores = row["scores"]
    if scores is None or len(names) != len(scores):
        return row
    return {**row, "scores": dict(zip(names, scores, strict=True))}


def _distinct(rows: Iterable[Row], name: str) -> list[str]:
    return list(dict.fromkeys(row[name] for row in rows if row[name] is not None))
