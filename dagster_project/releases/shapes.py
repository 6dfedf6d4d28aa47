"""The tables of a release: their files, columns, types, and what each column means.

The counterpart of `lake/catalogue.py` for what leaves the house. From it come the files' schemas
and the data card's dictionary. The columns for attributes come from the rubric.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import polars as pl
import pyarrow as pa

from dagster_project.lake import Column
from dagster_project.lake.catalogue import arrow_schema
from dagster_project.lake.types import BOOL, INT8, INT64, MESSAGES, PREFERENCES, STRING, TIME
from dagster_project.releases.splits import SPLITS
from dagster_project.settings import Rubric

SPREAD = "_spread"
WORKING_COLUMNS = ("split", "scores", "spreads")
"""Columns that rows have on their way into the files: no attribute may be called so."""


@dataclass(frozen=True)
class Shape:
    """One table of a release. ``splits`` says whether it has a file for each split."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    splits: bool = False

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema of its files."""
        return arrow_schema(self.columns)

    @property
    def paths(self) -> list[str]:
        """The paths of its files in a release's folder."""
        return [f"{self.name}/{split}.parquet" for split in SPLITS] if self.splits else [f"{self.name}.parquet"]

    def files(self, rows: pl.DataFrame) -> dict[str, pa.Table]:
        """Return the rows of each file, by path; they keep their order.

        Raises:
            ValueError: a column holds a null where none may be.
        """
        if not self.splits:
            return {self.paths[0]: self._shaped(rows)}
        sides = (rows.filter(pl.col("split") == split) for split in SPLITS)
        return {path: self._shaped(side) for path, side in zip(self.paths, sides, strict=True)}

    def _shaped(self, rows: pl.DataFrame) -> pa.Table:
        return rows.select(self.schema.names).to_arrow().cast(self.schema)


def release_shapes(rubric: Rubric) -> dict[str, Shape]:
    """Return all tables of a release under a rubric, by name."""
    shapes = (
        Shape("data", "One row for each response of each task, with its published ratings.", _data(rubric), True),
        Shape("preference", "One row for each task that has a preference.", _PREFERENCE, True),
        Shape("annotations", "One row for each annotation, kept or not.", _annotations(rubric), True),
        Shape("provenance/models", "Who wrote the responses and the turns within conversations.", _MODELS),
        Shape("provenance/prompts", "Where the released prompts come from.", _PROMPTS),
        Shape("provenance/exclusions", "What did not reach the release, at which stage and why.", _EXCLUSIONS),
        Shape("provenance/tasks", "Every task of the campaigns, released or not.", _TASKS),
    )
    return {shape.name: shape for shape in shapes}


def with_attributes(rows: pl.DataFrame, ratings: str, rubric: Rubric, suffix: str = "") -> pl.DataFrame:
    """Give each attribute a column of its own from a list of ratings in the rubric's order."""
    return rows.with_columns(
        pl.col(ratings).list.get(place).alias(name + suffix) for place, name in enumerate(rubric.names)
    )


def _ratings(rubric: Rubric) -> tuple[Column, ...]:
    scale = f"{rubric.scale.lowest} to {rubric.scale.highest}"
    return tuple(
        Column(attribute.name, INT8, f"{scale}. {attribute.description}", nullable=True)
        for attribute in rubric.attributes
    )


def _spreads(rubric: Rubric) -> tuple[Column, ...]:
    return tuple(
        Column(name + SPREAD, INT8, f"highest minus lowest {name} of the annotators kept", nullable=True)
        for name in rubric.names
    )


_TASK_ID = Column("task_id", STRING, "the task: a prompt with the responses shown together")
_RESPONSE_ID = Column("response_id", STRING, "the response")
_PROMPT_ID = Column("prompt_id", STRING, "the prompt; the same prompt has the same id in every release")
_CAMPAIGN = Column("campaign", STRING, "the campaign that the task was rated in")
_VENDOR = Column("vendor", STRING, "who employs the annotators")
_GUIDELINE = Column("guideline_version", STRING, "the guideline it was rated under")
_SPLIT = Column("split", STRING, "`train` or `validation`")
_FLAT_PROMPT = Column("prompt", STRING, "the conversation as HelpSteer2's flat text, turns marked by `<extra_id_1>`")


def _data(rubric: Rubric) -> tuple[Column, ...]:
    return (
        _FLAT_PROMPT,
        Column("response", STRING, "the response that is rated"),
        *_ratings(rubric),
        _TASK_ID,
        _RESPONSE_ID,
        _PROMPT_ID,
        _CAMPAIGN,
        Column("model", STRING, "who wrote the response; null if unknown", nullable=True),
        _VENDOR,
        Column("messages", MESSAGES, "the conversation up to the response"),
        Column("n_annotators", INT8, "annotators behind the ratings"),
        *_spreads(rubric),
        Column("simulated", BOOL, "a rating behind it was made by a program that rates by dice"),
    )


def _annotations(rubric: Rubric) -> tuple[Column, ...]:
    return (
        _TASK_ID,
        _RESPONSE_ID,
        Column("annotator", STRING, "pseudonym of the annotator"),
        _VENDOR,
        _CAMPAIGN,
        Column("round", INT8, "the order that it answers, from 1; later ones are top-ups"),
        Column("position", INT8, "place of the response in shown order, from 1"),
        _GUIDELINE,
        *_ratings(rubric),
        Column("stage", STRING, "the stage that decided; `kept` if it stands behind the published rating"),
        Column("reason", STRING, "why it left; null if kept", nullable=True),
        Column("submitted_at", TIME, "when the annotator submitted, by the vendor's clock"),
        Column("simulated", BOOL, "made by a program that rates by dice"),
    )


_PREFERENCE = (
    _FLAT_PROMPT,
    Column("response_1", STRING, "the response shown first"),
    Column("response_2", STRING, "the response shown second"),
    Column("preference_strength", INT8, "-3..-1: the first is better; 1..3: the second is better"),
    Column("preference_statement", STRING, "a retained annotator's reason; null if none", nullable=True),
    _TASK_ID,
    Column("response_id_1", STRING, "the response shown first"),
    Column("response_id_2", STRING, "the response shown second"),
    Column("model_1", STRING, "who wrote the first; null if unknown", nullable=True),
    Column("model_2", STRING, "who wrote the second; null if unknown", nullable=True),
    Column("all_preferences", PREFERENCES, "every trusted annotator's preference, and whether it was retained"),
)

_MODELS = (
    Column("role", STRING, "`response`, or `turns` for assistant turns within conversations"),
    Column("model", STRING, "the model; null if unknown", nullable=True),
    Column("model_name", STRING, "the name that its endpoint knows it by", nullable=True),
    Column("revision", STRING, "the weights' revision", nullable=True),
    Column("parameters", STRING, "sampling parameters and system prompt, as JSON", nullable=True),
    Column("licence", STRING, "its licence on the day of the answer", nullable=True),
    Column("outputs_may_train", BOOL, "whether its terms let outputs train other models", nullable=True),
    Column("in_tasks", INT64, "responses (for turns: prompts) in the campaigns' tasks"),
    Column("in_release", INT64, "of these, in the release"),
)

_PROMPTS = (
    _PROMPT_ID,
    _SPLIT,
    Column("source", STRING, "where the prompt comes from"),
    Column("licence", STRING, "the source's licence"),
    Column("completion_model", STRING, "who wrote the assistant turns; null if there are none", nullable=True),
    Column("completion_licence", STRING, "that model's licence", nullable=True),
    Column("messages", MESSAGES, "the conversation up to the response"),
    Column("tasks", INT64, "tasks of the release that show it"),
)

_EXCLUSIONS = (
    Column("kind", STRING, "`prompt`, `response`, `task`, `preference`, `annotation` or `delivered row`"),
    Column("stage", STRING, "the stage that decided"),
    Column("reason", STRING, "why it left"),
    Column("campaign", STRING, "the campaign that it left", nullable=True),
    Column("prompt_batch", STRING, "the intake that it left", nullable=True),
    Column("prompt_id", STRING, "the prompt", nullable=True),
    Column("task_id", STRING, "the task", nullable=True),
    Column("response_id", STRING, "the response", nullable=True),
    Column("model", STRING, "the model", nullable=True),
    Column("annotator", STRING, "the annotator's pseudonym", nullable=True),
    Column("rows", INT64, "how many there are of exactly this"),
)

_TASKS = (
    _TASK_ID,
    _CAMPAIGN,
    _PROMPT_ID,
    _SPLIT,
    _VENDOR,
    _GUIDELINE,
    Column("responses", INT8, "responses shown together"),
    Column("annotators_ordered", INT8, "annotators ordered in the first round"),
    Column("annotators", INT8, "annotators who rated it"),
    Column("annotators_kept", INT8, "annotators behind its published ratings"),
    Column("published", BOOL, "it is in the release"),
    Column("stage", STRING, "the stage that its annotations came furthest to; `kept` if published"),
    Column("reason", STRING, "why it is not published", nullable=True),
    Column("preference", INT8, "the preference; null if there is none", nullable=True),
    Column(
        "preference_reason",
        STRING,
        "why a task that asks for one has none: `too_few`, `disputed` or `tie`",
        nullable=True,
    ),
)
