"""Reading suites: whatever does not exist is refused with file, line, entry and the nearest name."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dagster_project.errors import SteerworksError
from dagster_project.lake import TABLES
from dagster_project.quality.expectations import Suite, load_suites
from dagster_project.settings import PROJECT_ROOT

PROJECT_SUITES = PROJECT_ROOT / "expectations"
SOUND_ENTRY = {
    "type": "expect_column_values_to_be_unique",
    "kwargs": "{column: task_id}",
    "severity": "critical",
    "description": "One a task.",
}


def write_suite(folder: Path, table: str = "preferences", **changes: str | None) -> Path:
    """Write a suite of one entry, some of its keys changed or (None) left out."""
    entry = {key: value for key, value in (SOUND_ENTRY | changes).items() if value is not None}
    path = folder / f"{table}.yaml"
    lines = "\n".join(f"    {key}: {value}" for key, value in entry.items())
    path.write_text(f"table: {table}\nexpectations:\n  -\n{lines}\n", encoding="utf-8")
    return path


def error_of(folder: Path) -> str:
    with pytest.raises(SteerworksError) as caught:
        load_suites(folder)
    return str(caught.value)


def test_the_project_has_a_suite_for_every_table_of_the_lineage() -> None:
    suites = load_suites(PROJECT_SUITES)
    assert set(TABLES) - set(suites) == {"campaign_closings", "expectation_results", "personal_data"}


def test_check_names_are_unique_over_all_suites_and_may_be_used_by_dagster() -> None:
    slugs = [e.slug for suite in load_suites(PROJECT_SUITES).values() for e in suite.expectations]
    assert len(slugs) == len(set(slugs))
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", slug) for slug in slugs)
    assert "annotation_tasks__task_id_position_unique" in slugs


def test_every_table_with_a_suite_has_its_grain_checked() -> None:
    for table, suite in load_suites(PROJECT_SUITES).items():
        unique = [set(e.columns) for e in suite.expectations if e.type.endswith("to_be_unique")]
        assert set(TABLES[table].grain) in unique


def test_loading_suites_imports_neither_great_expectations_nor_pandas() -> None:
    program = (
        "import sys; from pathlib import Path; from dagster_project.quality.expectations import load_suites; "
        f"load_suites(Path({str(PROJECT_SUITES)!r})); "
        "assert not {'great_expectations', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=PROJECT_ROOT)


def test_a_folder_without_suites_gives_none(tmp_path: Path) -> None:
    assert load_suites(tmp_path) == {}


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert str(tmp_path / "nowhere") in error_of(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("changes", "line", "words"),
    [
        ({"type": "expect_column_values_to_be_uniqe"}, 4, "did you mean `expect_column_values_to_be_unique`?"),
        ({"type": "expect_column_values_to_match_regex"}, 4, "regexp_matches(column, 'pattern')"),
        ({"kwargs": "{column: taskid}"}, 5, "unknown column of preferences `taskid`; did you mean `task_id`?"),
        ({"kwargs": "{column: task_id, mostli: 0.9}"}, 5, "did you mean `mostly`?"),
        ({"kwargs": "{mostly: 0.9}"}, 5, "needs the argument `column`"),
        ({"kwargs": None}, 4, "needs the argument `column`"),
        ({"severity": "critcal"}, 6, "unknown severity `critcal`; did you mean `critical`?"),
        ({"severity": None}, 4, "severity: Field required"),
        ({"description": None}, 4, "description: Field required"),
        ({"mostly": "0.9"}, 8, "mostly: no such key here"),
    ],
)
def test_an_entry_that_breaks_a_rule_is_named_with_its_line(
    tmp_path: Path, changes: dict[str, str | None], line: int, words: str
) -> None:
    path = write_suite(tmp_path, **changes)
    message = error_of(tmp_path)
    assert message.startswith(f"{path}:{line}: expectations.0")
    assert words in message


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("select taskid from {batch}", 'Candidate bindings: "task_id"'),
        ("select task_id form {batch}", "syntax error"),
        ("select task_id from preferences", "must read from `{batch}`"),
        ("select {{'a': 1}} from {batch} where {other}", "other"),
    ],
)
def test_a_query_that_does_not_run_is_refused_before_any_data_is_there(tmp_path: Path, query: str, words: str) -> None:
    kwargs = f'{{unexpected_rows_query: "{query}"}}'
    write_suite(tmp_path, type="unexpected_rows_expectation", kwargs=kwargs, name="some_rule")
    assert words in error_of(tmp_path)


def test_a_query_needs_a_name(tmp_path: Path) -> None:
    kwargs = '{unexpected_rows_query: "select task_id from {batch}"}'
    write_suite(tmp_path, type="unexpected_rows_expectation", kwargs=kwargs)
    assert "needs a `name`" in error_of(tmp_path)


def test_an_unknown_table_is_refused(tmp_path: Path) -> None:
    path = write_suite(tmp_path, table="preference")
    message = error_of(tmp_path)
    assert message == f"{path}:1: table: unknown table `preference`; did you mean `preferences`?."


def test_a_suite_is_called_like_its_table(tmp_path: Path) -> None:
    write_suite(tmp_path).rename(tmp_path / "prefs.yaml")
    assert "must be called preferences.yaml" in error_of(tmp_path)


def test_two_rules_with_one_check_name_are_refused(tmp_path: Path) -> None:
    path = write_suite(tmp_path)
    entry = path.read_text(encoding="utf-8").partition("expectations:\n")[2]
    path.write_text(path.read_text(encoding="utf-8") + entry, encoding="utf-8")
    assert "two of them make the check `preferences__task_id_unique`" in error_of(tmp_path)


def test_the_hash_changes_with_what_a_suite_says_and_not_with_its_layout(tmp_path: Path) -> None:
    def load(**changes: str) -> Suite:
        write_suite(tmp_path, **changes)
        return load_suites(tmp_path)["preferences"]

    first = load()
    commented = tmp_path / "preferences.yaml"
    commented.write_text("# a comment\n" + commented.read_text(encoding="utf-8"), encoding="utf-8")
    assert load_suites(tmp_path)["preferences"].hash == first.hash
    assert load(severity="warning").hash != first.hash
    assert load(kwargs="{column: task_id, mostly: 0.9}").hash != first.hash


def test_the_tables_that_queries_are_bound_to_have_the_catalogue_s_types() -> None:
    from dagster_project.quality.expectations.queries import _empty_tables

    session = _empty_tables()
    for name, table in TABLES.items():
        assert session.arrow(name).schema.types == table.schema.types
