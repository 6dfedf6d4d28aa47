"""Dagster's storage with open files holds what Dagster's own holds, for as many processes as use it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.cli.launch import prepare_dagster_home
from dagster_project.resources.storage import MOST_OPEN, OpenEventLog
from dagster_project.settings import PROJECT_ROOT, Home

REPORT = """
import sys
import dagster as dg
with dg.DagsterInstance.get() as instance:
    for partition in sys.argv[1:]:
        instance.report_runless_asset_event(dg.AssetMaterialization("a", partition=partition))
"""


def report(instance: dg.DagsterInstance, *partitions: str) -> None:
    for partition in partitions:
        instance.report_runless_asset_event(dg.AssetMaterialization("a", partition=partition))


def known(instance: dg.DagsterInstance) -> set[str]:
    return set(instance.get_materialized_partitions(dg.AssetKey("a")))


@pytest.fixture
def dagster_home(home: Home, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", "")  # is put back afterwards
    prepare_dagster_home(home)
    return home.dagster


def test_a_home_has_it_and_may_go_to_dagsters_own_and_back(dagster_home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        assert isinstance(instance.event_log_storage, OpenEventLog)
        report(instance, "ours")
    (dagster_home / "dagster.yaml").rename(dagster_home / "aside")
    with dg.DagsterInstance.get() as instance:
        assert not isinstance(instance.event_log_storage, OpenEventLog)
        report(instance, "theirs")
        assert known(instance) == {"ours", "theirs"}
    (dagster_home / "aside").rename(dagster_home / "dagster.yaml")
    with dg.DagsterInstance.get() as instance:
        assert known(instance) == {"ours", "theirs"}


def test_processes_that_write_at_the_same_time_lose_nothing(dagster_home: Path) -> None:
    own, *others = [[f"{process}-{number}" for number in range(25)] for process in range(4)]
    with dg.DagsterInstance.get() as instance:
        report(instance, "first")
        command = [sys.executable, "-c", REPORT]
        environment = os.environ | {"PYTHONPATH": str(PROJECT_ROOT)}
        children = [subprocess.Popen([*command, *some], env=environment) for some in others]
        report(instance, *own)
        assert [child.wait() for child in children] == [0] * 3
        assert known(instance) == {"first"}.union(own, *others)


def test_of_many_runs_few_files_are_open_and_none_when_it_is_closed(dagster_home: Path) -> None:
    def open_files() -> list[str]:
        files = [link.resolve() for link in Path("/proc/self/fd").iterdir()]
        return [str(file) for file in files if file.is_relative_to(dagster_home) and file.suffix == ".db"]

    @dg.op
    def nothing() -> None: ...

    @dg.job
    def empty() -> None:
        nothing()

    with dg.DagsterInstance.get() as instance:
        runs = [empty.execute_in_process(instance=instance).run_id for _ in range(MOST_OPEN + 3)]
        assert all(any(entry.is_dagster_event for entry in instance.all_logs(run)) for run in runs)
        assert 0 < len(open_files()) <= MOST_OPEN
        instance.wipe()
        assert not any(list(instance.all_logs(run)) for run in runs)
    assert not open_files()


def test_what_is_removed_is_gone_from_the_files_while_somebody_has_them_open(dagster_home: Path) -> None:
    from dagster_project.cli.launch import remove_runs_quoting

    @dg.op
    def tell() -> None:
        dg.get_dagster_logger().info("a sentence that somebody has withdrawn by now, and of which nothing may be left")

    @dg.job
    def telling() -> None:
        tell()

    def holders() -> list[Path]:
        return [path for path in dagster_home.rglob("*") if path.is_file() and b"withdrawn by now" in path.read_bytes()]

    with dg.DagsterInstance.get() as instance:
        telling.execute_in_process(instance=instance)
        assert holders()
        assert instance.get_run_records()
        remove_runs_quoting(Home(dagster_home.parent), ["a sentence that somebody has withdrawn by now"])
        assert not holders()
        assert not instance.get_run_records()


def test_a_folder_that_is_no_database_is_an_error(dagster_home: Path) -> None:
    (dagster_home / "history" / "runs").mkdir(parents=True)
    (dagster_home / "history" / "runs" / "index.db").write_text("spoilt" * 1000)
    with dg.DagsterInstance.get() as instance, pytest.raises(Exception, match="not a database") as raised:
        known(instance)
    assert isinstance(raised.value.__cause__, sqlite3.DatabaseError)
