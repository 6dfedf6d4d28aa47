"""The canonical row: one annotator's ratings of one response within one task.

Belongs here: what a row must hold, and the rules that send it to quarantine. Does not belong
here: how rows are cut out of files (`jsonl`, `csv_file`), or what becomes of them (`intake`).

A row has the fields of `Row`, and one field for each attribute of the rubric, by its name: a
whole number on the scale, or empty. Empty fields, nulls and absent fields are the same, but for
attributes: an attribute may be empty, and be absent only where the row is flagged or withdrawn,
so that a misspelt name is never taken for a missing rating.

No message repeats what was delivered: where columns have shifted, any cell may hold a worker's id.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from dagster_project.settings import Rubric

Cells = Mapping[str, Any]
"""A row as delivered: values by field name; from CSV they are all text."""


@dataclass(frozen=True)
class Defect:
    """The rule that a row breaks, in one word, and what to do about it."""

    rule: str
    message: str


Reader = Callable[[Path, Collection[str]], Iterator[tuple[int, Cells | Defect]]]
"""Cuts a file into numbered rows, from 1. The names are those that every row must have."""


def whole_number(value: Any) -> int:
    """Return the whole number that a cell holds; ``3``, ``"3"``, and Excel's ``"3.0"``, ``"3,00"`` are the same.

    Raises:
        ValueError: it holds anything else.
    """
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,18}([.,]0+)?\s*", value):
        return int(re.split("[.,]", value)[0])
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError("not a whole number")


def _id_text(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise ValueError("not an id")


def _worker_id(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9][.,][0-9]+E\+[0-9]+\s*", value):
        raise ValueError("a rounded number")
    return _id_text(value)


def _time(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("no offset")
        return moment.astimezone(UTC)
    except (TypeError, OverflowError):
        raise ValueError("not a time") from None


def _list_of_words(value: Any) -> Any:
    return [word.strip() for word in value.split(";") if word.strip()] if isinstance(value, str) else value


def _not_zero(value: int) -> int:
    if value == 0:
        raise ValueError("zero is no preference")
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("not a number")
    return value


Id = Annotated[str, BeforeValidator(_id_text), Field(max_length=256)]
WorkerId = Annotated[str, BeforeValidator(_worker_id), Field(max_length=256)]
WholeNumber = Annotated[int, BeforeValidator(whole_number)]
Preference = Annotated[WholeNumber, Field(ge=-3, le=3), AfterValidator(_not_zero)]
Seconds = Annotated[float, Field(ge=0, le=1e9), AfterValidator(_finite)]


class Row(BaseModel):
    """The fields of a canonical row beside its attributes; each description is its rule."""

    model_config = ConfigDict(frozen=True)

    task_id: Id = Field(description="the task's id, as it was exported")
    response_id: Id = Field(description="the response's id, as it was exported")
    annotator: WorkerId = Field(
        description="the vendor's own id of the annotator, in full: not as Excel rounds long numbers (1.2E+15)"
    )
    submitted_at: Annotated[datetime, BeforeValidator(_time)] = Field(
        description="an ISO 8601 time with its offset, such as 2026-03-01T14:05:00+00:00"
    )
    flags: Annotated[tuple[str, ...], BeforeValidator(_list_of_words)] = Field(
        default=(), description="a list of the rubric's flags (in CSV separated by `;`)"
    )
    preference: Preference | None = Field(default=None, description="-3, -2, -1, 1, 2 or 3, or empty; never 0")
    justification: str | None = Field(default=None, description="text")
    revision: Annotated[WholeNumber, Field(ge=1, lt=2**31)] = Field(default=1, description="a whole number from 1")
    withdrawn: bool = Field(default=False, description="true or false")
    round: Annotated[WholeNumber, Field(ge=1, le=127)] = Field(
        default=1, description="the task's `round`, as it was exported: a whole number from 1"
    )
    guideline_version: str | None = Field(default=None, description="the guideline's version, as text")
    seconds: Seconds | None = Field(default=None, description="the time spent in seconds, 0 or more")
    simulated: bool = Field(default=False, description="true or false")


_WORKER_ID = TypeAdapter(WorkerId)


def is_worker_id(value: str) -> bool:
    """Say whether a text is a worker's id just as it stands."""
    try:
        return _WORKER_ID.validate_python(value) == value
    except ValidationError:
        return False


REQUIRED_FIELDS = tuple(name for name, field in Row.model_fields.items() if field.is_required())
_RULE_OF_FIELD = {"preference": "bad_preference", "submitted_at": "bad_time"}


@dataclass(frozen=True)
class Demands:
    """What a campaign asks of its rows."""

    campaign: str
    vendor: str
    guideline_version: str
    rubric: Rubric
    simulated: bool
    closed: bool


class BrokenRowError(Exception):
    """A row breaks one rule or more; the first names it."""

    def __init__(self, defects: list[Defect]) -> None:
        self.defect = Defect(defects[0].rule, " ".join(defect.message for defect in defects))
        super().__init__(self.defect.message)


def read_row(cells: Cells, responses: Collection[str], demands: Demands) -> tuple[Row, dict[str, Any]]:
    """Return a row, and its columns of the table ``deliveries`` but for where it stood and who made it.

    ``responses`` are the ids of the responses of the row's task.

    Raises:
        BrokenRowError: with every rule that the row breaks.
    """
    row = _fields(cells)
    scores, defects = _scores(cells, demands.rubric, may_be_absent=bool(row.flags) or row.withdrawn)
    defects += _defects(row, responses, demands)
    if defects:
        raise BrokenRowError(defects)
    return row, {
        **row.model_dump(exclude={"annotator"}),
        "campaign": demands.campaign,
        "vendor": demands.vendor,
        "scores": scores,
        "flags": [flag.name for flag in demands.rubric.flags if flag.name in row.flags],
        "guideline_version": row.guideline_version or demands.guideline_version,
        "simulated": row.simulated or demands.simulated,
    }


def is_empty(value: Any) -> bool:
    """Say whether a cell is empty: null, or text without a visible character."""
    return value is None or (isinstance(value, str) and not value.strip())


def _fields(cells: Cells) -> Row:
    try:
        return Row.model_validate({name: value for name, value in cells.items() if not is_empty(value)})
    except ValidationError as error:
        problems = {str(problem["loc"][0]): problem["type"] for problem in reversed(error.errors())}
    raise BrokenRowError([_field_defect(name, problem) for name, problem in reversed(problems.items())])


def _field_defect(name: str, problem: str) -> Defect:
    rule = Row.model_fields[name].description
    if problem == "missing":
        return Defect("missing_field", f"`{name}` is missing or empty: give {rule}.")
    return Defect(_RULE_OF_FIELD.get(name, "bad_type"), f"`{name}` must be {rule}.")


def _scores(cells: Cells, rubric: Rubric, may_be_absent: bool) -> tuple[list[int | None], list[Defect]]:
    """Return the ratings in the rubric's order, and what is wrong with them."""
    lowest, highest = rubric.scale.lowest, rubric.scale.highest
    scores: list[int | None] = []
    defects: list[Defect] = []
    for name in rubric.names:
        score = None
        if name not in cells and not may_be_absent:
            defects.append(Defect("missing_field", f"there is no `{name}`: give a rating, or leave it empty."))
        elif not is_empty(cells.get(name)):
            try:
                score = whole_number(cells[name])
            except ValueError:
                defects.append(Defect("bad_type", f"`{name}` must be a whole number, or empty."))
            if score is not None and not lowest <= score <= highest:
                defects.append(Defect("out_of_scale", f"`{name}` must be from {lowest} to {highest}, or empty."))
        scores.append(score)
    return scores, defects


def _defects(row: Row, responses: Collection[str], demands: Demands) -> list[Defect]:
    defects = []
    if row.response_id not in responses:
        defects.append(Defect("unknown_response", "`response_id` names no response of this task: copy it as exported."))
    flags = [flag.name for flag in demands.rubric.flags]
    if not set(row.flags) <= set(flags):
        defects.append(Defect("unknown_flag", f"`flags` may only hold: {', '.join(flags) or 'none'}."))
    if row.preference is not None and (len(responses) < 2 or not demands.rubric.preference):
        defects.append(Defect("bad_preference", "no preference is asked for in this task: leave `preference` empty."))
    if demands.simulated and not row.simulated:
        defects.append(
            Defect("not_simulated", "this vendor is a program: `simulated` must be true in each of its rows.")
        )
    if demands.closed:
        defects.append(Defect("campaign_closed", "its campaign is closed and takes no more rows: name an open one."))
    return defects
