"""`steerworks sql` sees every table and every release."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from dagster_project.cli.sql import sql
from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.releases.folders import PROVENANCE, SPLIT_TABLES
from dagster_project.settings import Home, Settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with a release whose tables have one column."""
    import polars as pl

    home = Home(tmp_path)
    release = home.releases / "v1.0.0"
    names = [f"{table}/{split}" for table in SPLIT_TABLES for split in ("train", "validation")]
    for name in (*names, *(f"provenance/{table}" for table in PROVENANCE)):
        (release / name).parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame({"task_id": [name]}).write_parquet(release / f"{name}.parquet")
    (release / "manifest.json").write_text("{}")
    monkeypatch.setenv("STEERWORKS_HOME", str(tmp_path))
    return home


def test_tables_and_releases_are_views(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    sql('select count(*) as n from "v1.0.0/data"')
    assert "2" in capsys.readouterr().out
    sql("select task_id, split from \"v1.0.0/annotations\" where split = 'train'")
    assert "annotations/train" in capsys.readouterr().out
    sql("select count(*) from consensus join annotation_tasks using (task_id)")
    assert "0" in capsys.readouterr().out
    assert Lake(Settings.from_environment().home.lake).parts("consensus") == []


def test_statements_are_read_from_a_pipe_and_a_wrong_one_does_not_end_the_session(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("select nothing from nowhere;\nselect 6 * 7 as answer;\n"))
    sql(None)
    told = capsys.readouterr().out
    assert "nowhere" in told
    assert "42" in told


def test_a_wrong_statement_on_the_command_line_is_an_error(home: Home) -> None:
    with pytest.raises(SteerworksError, match="nowhere"):
        sql("select * from nowhere")
