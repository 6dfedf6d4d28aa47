"""Tables on disk: whole or not at all, in their shape, and the same bytes for the same rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.errors import SteerworksError
from dagster_project.lake import TABLES, Lake, Session
from dagster_project.lake.parquet import edit_parquet
from dagster_project.lake.store import in_shape
from dagster_project.lake.types import Scalar

PREFERENCES = pl.DataFrame(
    {
        "campaign": ["c", "c", "c"],
        "task_id": ["t3", "t1", "t2"],
        "strength": [2, None, -1],
        "reason": [None, "tie", None],
        "statement": ["better", None, "worse"],
        "all_preferences": [[{"annotator": "a", "strength": 2, "justification": "better", "retained": True}], [], []],
    }
)


def test_rows_come_back_in_the_tables_shape_sorted_by_its_grain(lake: Lake) -> None:
    lake.write("preferences", {"campaign": "c"}, PREFERENCES)
    rows = lake.read("preferences")
    assert rows["task_id"].to_list() == ["t1", "t2", "t3"]
    assert rows["strength"].dtype == pl.Int8
    assert lake.rows("preferences", {"campaign": "c"}) == 3


@given(st.permutations(range(3)))
def test_the_order_of_rows_makes_no_difference(order: list[int]) -> None:
    table = TABLES["preferences"]
    assert in_shape(table, PREFERENCES[order]).equals(in_shape(table, PREFERENCES))


def test_equal_rows_give_equal_bytes(lake: Lake, tmp_path: Path) -> None:
    first = lake.write("preferences", {"campaign": "c"}, PREFERENCES).path.read_bytes()
    second = Lake(tmp_path / "other").write("preferences", {"campaign": "c"}, PREFERENCES.reverse()).path.read_bytes()
    assert first == second


def test_a_missing_column_or_a_null_where_none_may_be_is_refused_and_nothing_is_written(lake: Lake) -> None:
    with pytest.raises(ValueError, match=r"missing: \['statement'\]"):
        lake.write("preferences", {"campaign": "c"}, PREFERENCES.drop("statement"))
    with pytest.raises(ValueError, match="column task_id holds nulls"):
        lake.write("preferences", {"campaign": "c"}, PREFERENCES.with_columns(task_id=pl.lit(None, dtype=pl.String)))
    assert not list(lake.root.rglob("*.*"))


def test_a_table_that_is_only_added_to_never_changes_a_part(lake: Lake) -> None:
    row = pl.DataFrame({"campaign": ["c"], "round": [2], "task_id": ["t"], "annotators": [2], "reason": ["disputed"]})
    assert lake.add("top_up_tasks", {"campaign": "c"}, "round-2", row) is not None
    assert lake.add("top_up_tasks", {"campaign": "c"}, "round-2", row.with_columns(annotators=9)) is None
    assert lake.read("top_up_tasks")["annotators"].to_list() == [2]
    with pytest.raises(ValueError, match="is added, not rebuilt"):
        lake.write("top_up_tasks", {"campaign": "c"}, row)


def test_absent_partitions_read_as_no_rows(lake: Lake) -> None:
    assert lake.read("consensus").is_empty()
    with Session() as session:
        session.table(lake, "consensus")
        assert session.arrow("consensus").num_rows == 0
        assert session.arrow("consensus").column_names == TABLES["consensus"].column_names


@pytest.mark.parametrize("older", [{"c"}, {"d"}, {"c", "d"}])
def test_a_column_that_came_later_reads_as_null_in_files_from_before(lake: Lake, older: set[str]) -> None:
    for campaign in ("c", "d"):
        path = lake.write(
            "preferences", {"campaign": campaign}, PREFERENCES.with_columns(campaign=pl.lit(campaign))
        ).path
        if campaign in older:
            pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["statement"]), path)
    statements = [None if campaign in older else text for campaign in "cd" for text in (None, "worse", "better")]
    assert lake.read("preferences")["statement"].to_list() == statements
    with Session() as session:
        session.table(lake, "preferences")
        assert session.arrow("preferences").column_names == TABLES["preferences"].column_names
        assert session.arrow("preferences")["statement"].to_pylist() == statements


def test_a_partition_may_be_taken_by_one_of_its_dimensions(lake: Lake) -> None:
    empty = TABLES["responses"].schema.empty_table()
    for model in ("m1", "m2"):
        for batch in ("b1", "b2"):
            lake.write("responses", {"model": model, "prompt_batch": batch}, empty)
    assert len(lake.parts("responses", {"prompt_batch": "b1"})) == 2
    assert len(lake.parts("responses")) == 4
    with pytest.raises(ValueError, match="not partitioned by"):
        lake.parts("responses", {"campaign": "c"})


def test_the_content_hash_follows_the_bytes(lake: Lake) -> None:
    lake.write("preferences", {"campaign": "c"}, PREFERENCES)
    before = lake.content_hash("preferences", {"campaign": "c"})
    lake.write("preferences", {"campaign": "c"}, PREFERENCES.reverse())
    assert lake.content_hash("preferences", {"campaign": "c"}) == before
    lake.write("preferences", {"campaign": "c"}, PREFERENCES[:2])
    assert lake.content_hash("preferences", {"campaign": "c"}) != before


SPOILT, COLUMNS = {"campaign": "spoilt"}, ["task_id", "statement"]


@pytest.mark.parametrize("spoil", [lambda whole: b"", lambda whole: whole[:-20], lambda whole: whole[:90] + whole[91:]])
def test_a_file_that_is_cut_or_damaged_is_named_whoever_reads_it(lake: Lake, spoil: Callable[[bytes], bytes]) -> None:
    whole = lake.write("preferences", {"campaign": "whole"}, PREFERENCES).path
    path = lake.write("preferences", SPOILT, PREFERENCES).path
    path.write_bytes(spoil(path.read_bytes()))
    told = r"campaign=spoilt/part.parquet: this file is cut or damaged \(.+\). Put a copy of it back, or remove it"

    def ask() -> None:
        with Session() as session:
            session.table(lake, "preferences")
            session.arrow("preferences")

    for read in (lambda: lake.read("preferences"), lambda: list(lake.batches("preferences", SPOILT, COLUMNS, 10)), ask):
        with pytest.raises(SteerworksError, match=told):
            read()
    assert len(pq.read_table(whole, partitioning=None)) == 3


def test_every_origin_names_a_column_of_the_catalogue() -> None:
    columns = {f"{table.name}.{column.name}" for table in TABLES.values() for column in table.columns}
    for table in TABLES.values():
        for column in table.columns:
            assert set(column.origin) <= columns, f"{table.name}.{column.name}"
        assert set(table.grain) <= set(table.column_names)


def test_types_are_called_as_arrow_calls_them_and_come_back_from_duckdb() -> None:
    kinds = {column.type for table in TABLES.values() for column in table.columns}
    assert {str(kind) for kind in kinds} == {str(kind.arrow) for kind in kinds}
    with Session() as session:
        for kind in kinds:
            session.connection.execute(f"create or replace temp table one as select null::{kind.sql} as value")
            assert pa.types.is_list(session.arrow("one")["value"].type) == pa.types.is_list(kind.arrow)
            assert session.arrow("one").cast(pa.schema({"value": kind.arrow})).num_rows == 1
            if isinstance(kind, Scalar):
                assert session.arrow("one")["value"].type == kind.arrow


@pytest.mark.parametrize("rewritten", [False, True])
def test_who_seeks_an_id_reads_none_but_the_row_groups_that_may_have_it(lake: Lake, rewritten: bool) -> None:
    with lake.streaming("raw_prompts", {"prompt_batch": "b"}) as write:
        for first in range(0, 400, 100):
            write(raw_prompts(range(first, first + 100)))
    [path] = lake.parts("raw_prompts")
    if rewritten:
        edit_parquet(path, lambda rows: rows)
    with Session() as session:
        session.table(lake, "raw_prompts")
        profile = "explain analyze select file from raw_prompts where prompt_id = 'p-205'"
        [(_, told)] = session.connection.execute(profile).fetchall()
        assert "Row Groups Scanned: 1 / 4" in told
        assert session.connection.execute("select intake_number from raw_prompts where prompt_id = 'p-205'").fetchall()


def raw_prompts(numbers: range) -> pa.Table:
    """Return prompts whose ids stand in another order than they do."""
    row = {"prompt_batch": "b", "file": "f", "source": "s", "licence": "l", "messages": []}
    rows = [{**row, "intake_number": n, "row_number": n, "prompt_id": f"p-{n * 7 % 400:03}"} for n in numbers]
    return pa.Table.from_pylist(rows, TABLES["raw_prompts"].schema)


def test_a_session_takes_rows_from_python_and_refuses_names_that_are_none() -> None:
    with Session() as session:
        session.frame("numbers", pa.table({"n": [1, 2]}))
        assert session.connection.execute("select sum(n) from numbers").fetchall() == [(3,)]
        with pytest.raises(ValueError, match="not a relation name"):
            session.frame("x; drop table y", pa.table({"n": [1]}))


def test_a_table_that_nobody_wrote_has_the_types_of_the_catalogue(tmp_path: Path) -> None:
    with Session() as session:
        for name, table in TABLES.items():
            session.table(Lake(tmp_path), name)
            assert session.arrow(name).cast(table.schema).num_rows == 0
            assert [str(field.type) for field in session.arrow(name).schema if not pa.types.is_nested(field.type)] == [
                str(field.type) for field in table.schema if not pa.types.is_nested(field.type)
            ]
