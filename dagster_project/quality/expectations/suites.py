"""Expectation suites: what `expectations/<table>.yaml` says about a table, typed and held to the catalogue.

Belongs here: reading suites, and refusing one that names a table, a column, an expectation or an
argument that does not exist. Does not belong here: running them, or importing Great Expectations.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from dagster_project.errors import SteerworksError
from dagster_project.identity import digest
from dagster_project.lake import TABLES
from dagster_project.quality.expectations.queries import require_query
from dagster_project.quality.expectations.vocabulary import ROWS_QUERY, arguments_of, require_known, require_type
from dagster_project.settings.yaml_file import Strict, load_model

SeverityName = Literal["critical", "warning", "info"]
_SILENT_WORDS = frozenset({"expect", "column", "columns", "compound", "table", "values", "to", "be"})


def _known_severity(name: Any) -> Any:
    require_known("severity", str(name), get_args(SeverityName))
    return name


def _known_type(name: str) -> str:
    require_type(name)
    return name


def _known_table(name: str) -> str:
    require_known("table", name, TABLES)
    return name


class Expectation(Strict):
    """One rule. ``critical`` blocks what comes after it; ``warning`` and ``info`` are only shown.

    ``table`` is the suite's and is not written again; ``name`` replaces the check name that is
    otherwise made of the columns and the type.
    """

    table: str = Field(exclude=True)
    type: Annotated[str, AfterValidator(_known_type)]
    kwargs: dict[str, Any] = Field(default_factory=dict, validate_default=True)
    severity: Annotated[SeverityName, BeforeValidator(_known_severity)]
    description: str = Field(min_length=1, description="why a reader should care")
    name: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]*$")

    @field_validator("kwargs")
    @classmethod
    def _fits(cls, kwargs: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "type" not in info.data or info.data["table"] not in TABLES:
            return kwargs
        _require_arguments(info.data["type"], kwargs)
        for column in _columns_in(kwargs):
            require_known(f"column of {info.data['table']}", column, TABLES[info.data["table"]].column_names)
        if info.data["type"] == ROWS_QUERY:
            require_query(info.data["table"], str(kwargs["unexpected_rows_query"]))
        return kwargs

    @model_validator(mode="after")
    def _query_is_named(self) -> Expectation:
        if self.type == ROWS_QUERY and not self.name:
            raise ValueError(f"an `{ROWS_QUERY}` needs a `name`: no check name can be made from a query")
        return self

    @property
    def columns(self) -> list[str]:
        """Columns that the arguments name, in their order."""
        return list(dict.fromkeys(_columns_in(self.kwargs)))

    @property
    def slug(self) -> str:
        """The check's name: stable, unique over all suites, letters, digits and ``_`` only."""
        words = [word for word in self.type.split("_") if word not in _SILENT_WORDS]
        return f"{self.table}__{self.name or '_'.join([*self.columns, *words])}"


class Suite(Strict):
    """All rules of one table."""

    table: Annotated[str, AfterValidator(_known_table)]
    expectations: tuple[Expectation, ...]

    @model_validator(mode="before")
    @classmethod
    def _tell_each_its_table(cls, content: Any) -> Any:
        """Let each entry check itself, so that its error names its own line."""
        if not isinstance(content, dict) or not isinstance(content.get("expectations"), list):
            return content
        told = {"table": str(content.get("table"))}
        entries = [entry | told if isinstance(entry, dict) else entry for entry in content["expectations"]]
        return content | {"expectations": entries}

    @field_validator("expectations")
    @classmethod
    def _are_there_and_differ(cls, expectations: tuple[Expectation, ...]) -> tuple[Expectation, ...]:
        if not expectations:
            raise ValueError("a suite without expectations checks nothing; add one, or delete the file")
        seen: set[str] = set()
        for expectation in expectations:
            if expectation.slug in seen:
                raise ValueError(f"two of them make the check `{expectation.slug}`; give one a `name` of its own")
            seen.add(expectation.slug)
        return expectations

    @property
    def hash(self) -> str:
        """Hash of all that the suite says; a comment or another layout leaves it as it is."""
        return digest(self.model_dump(mode="json"))


def load_suites(folder: Path) -> dict[str, Suite]:
    """Read every ``<table>.yaml`` of a folder, by table.

    Raises:
        SteerworksError: no such folder, or one line for each rule that a file breaks.
    """
    if not folder.is_dir():
        raise SteerworksError(f"{folder}: no such folder. It holds one expectation suite a table, as <table>.yaml.")
    suites: dict[str, Suite] = {}
    for path in sorted(folder.glob("*.yaml")):
        suite = load_model(path, Suite)
        if suite.table != path.stem:
            raise SteerworksError(
                f"{path}:1: table: the suite of `{suite.table}` must be called {suite.table}.yaml. Rename the file."
            )
        suites[suite.table] = suite
    return suites


def _require_arguments(expectation_type: str, kwargs: dict[str, Any]) -> None:
    arguments = arguments_of(expectation_type)
    for name in kwargs:
        require_known(f"argument of {expectation_type}", name, arguments.names)
    if missing := arguments.required - kwargs.keys():
        raise ValueError(f"{expectation_type} needs the argument `{sorted(missing)[0]}`")


def _columns_in(kwargs: dict[str, Any]) -> Iterator[str]:
    for name in ("column", "column_A", "column_B"):
        if name in kwargs:
            yield str(kwargs[name])
    for name in ("column_list", "column_set"):
        yield from map(str, kwargs.get(name) or ())
