"""How a vendor's own columns and words become the fields of a canonical row: `mapping` in `config/vendors.yaml`.

Belongs here: the shape of what a user writes. Does not belong here: reading files by it (`vendors.mapping`).
"""

from __future__ import annotations

import codecs
from typing import Any, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from dagster_project.settings.rubric import Scale
from dagster_project.settings.yaml_file import Strict


class Source(Strict):
    """Where a field's value is found, and what its words and numbers mean; a text alone is a ``path``.

    A ``path`` is a column's name, or leads through nested JSON by dots (``meta.item.id``, ``turns.0.text``); a
    ``value`` is the same in every row; a ``template`` puts columns into a text (``review:{item_id}``).
    """

    path: str | None = Field(default=None, min_length=1)
    value: str | int | float | bool | None = None
    template: str | None = Field(default=None, min_length=1)
    scale: Scale | None = Field(default=None, description="the vendor's scale, laid over the rubric's")
    words: dict[str, int | str | None] | None = Field(default=None, description="what the vendor's words stand for")

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, given: Any) -> Any:
        return {"path": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [name for name in ("path", "value", "template") if name in self.model_fields_set]
        if len(given) != 1:
            raise ValueError("give one of `path`, `value` and `template`")
        return self


Sources = dict[str, Source]
OPTIONAL_FIELDS = frozenset(
    {"flags", "preference", "justification", "revision", "withdrawn", "round", "guideline_version", "seconds"}
    | {"simulated"}
)
"""Fields whose columns need not be in every file."""
TIMES_IN_SECONDS = "unix"


class Long(Strict):
    """One row a rating: which column names the attribute, and which holds the number.

    ``names`` translates the vendor's names of attributes; others are taken as they are.
    """

    attribute: str = Field(min_length=1)
    rating: Source
    names: dict[str, str] = Field(default_factory=dict)


class Annotator(BaseModel):
    """One annotator's own columns of a row: fields, and under ``responses`` those of each response in shown order."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: Sources

    responses: tuple[Sources, ...] = ()

    @property
    def fields(self) -> Sources:
        """The fields that are the same for all responses."""
        return self.__pydantic_extra__

    def groups(self) -> tuple[Sources, ...]:
        """Return all groups of columns that are the annotator's own."""
        return (self.fields, *self.responses)


class Mapping(Strict):
    """From a vendor's rows to annotations.

    A row is one annotation, unless it holds several: one for each element of the list at ``each``, one for each
    of the groups of columns under ``annotators``, one for each of those under ``responses`` (in shown order). With
    more than one of the three there is one annotation for each combination; where each combination has columns of
    its own, an annotator has ``responses`` itself. Under ``long`` several rows make one annotation.
    """

    fields: Sources = Field(min_length=1)
    each: str | None = Field(default=None, min_length=1, description="path of a list in the row")
    annotators: tuple[Annotator, ...] = ()
    responses: tuple[Sources, ...] = ()
    long: Long | None = None
    scale: Scale | None = Field(default=None, description="the vendor's scale of all attributes")
    words: dict[str, int | str | None] = Field(default_factory=dict, description="for all attributes")
    missing: tuple[str, ...] = Field(default=("N/A", "NA"), description="also before a reason in brackets")
    timezone: str | None = Field(default=None, description="of times without an offset, such as Europe/Berlin")
    time_format: str | None = Field(default=None, description="as in strptime, or `unix`: seconds since 1970")
    encoding: str = Field(default="utf-8", description="of texts without a byte order mark")
    delimiter: str | None = Field(default=None, min_length=1, max_length=1, description="found out if left out")
    sheet: str | None = Field(default=None, description="of a workbook; the first if left out")

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                ZoneInfo(name)
            except (ValueError, OSError):
                raise ValueError(f"there is no time zone `{name}`") from None
        return name

    @field_validator("encoding")
    @classmethod
    def _is_an_encoding(cls, name: str) -> str:
        try:
            return codecs.lookup(name).name
        except LookupError:
            raise ValueError(f"there is no encoding `{name}`") from None

    @model_validator(mode="after")
    def _names_what_it_must(self) -> Self:
        for number, by in enumerate(self.annotators, start=1):
            if by.responses and self.responses and len(by.responses) != len(self.responses):
                raise ValueError(
                    f"annotator {number} has {len(by.responses)} `responses`, and the mapping {len(self.responses)}: "
                    "give columns for the same ones, in shown order"
                )
        readings = [sources for _, readings in self.readings() for sources in readings]
        for name in ("task_id", "annotator", "submitted_at"):
            if not all(name in sources for sources in readings):
                raise ValueError(f"nothing says where `{name}` is found")
        if self.long and (self.annotators or self.responses):
            raise ValueError("`long` goes with neither `annotators` nor `responses`")
        return self

    def readings(self) -> list[tuple[Annotator, tuple[Sources, ...]]]:
        """Return who may rate in a row, and where the fields of each of their annotations are found, in shown order."""
        return [(by, self._readings_of(by)) for by in self.annotators or (Annotator(),)]

    def _readings_of(self, by: Annotator) -> tuple[Sources, ...]:
        shown = range(max(len(self.responses), len(by.responses), 1))
        common, own = self.responses or ({},) * len(shown), by.responses or ({},) * len(shown)
        return tuple({**self.fields, **by.fields, **common[at], **own[at]} for at in shown)

    def named(self) -> set[str]:
        """Return the names of all fields that something is mapped to."""
        names = {name for group in self._groups() for name in group}
        return names | set(self.long.names.values()) if self.long else names

    def needed_columns(self) -> tuple[str, ...]:
        """Return the columns of a table without which a row is no annotation: of ratings, and of whose they are."""
        sources = [source for group in self._groups() for name, source in group.items() if name not in OPTIONAL_FIELDS]
        paths = [source.path for source in (*sources, *((self.long.rating,) if self.long else ())) if source.path]
        return tuple(dict.fromkeys([*paths, *((self.long.attribute,) if self.long else ())]))

    def _groups(self) -> tuple[Sources, ...]:
        own = (group for by in self.annotators for group in by.groups())
        return (self.fields, *own, *self.responses)
