"""Starting Dagster runs from the command line, in this process, on the home's own instance.

The runs are real ones: they are recorded in the home's Dagster storage and can be browsed in
the UI. This is the one module of the command line that imports dagster.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from typing import Any

import dagster as dg

from dagster_project.automation import ranges_to_check, ranges_to_fill, spending, tell_of_whole_cells
from dagster_project.cli.money import NO_LIMIT, Allowance
from dagster_project.definitions import build_defs
from dagster_project.errors import SteerworksError
from dagster_project.partitions import PROMPT_BATCHES, RELEASES, CellRange
from dagster_project.resources import ProgressResource
from dagster_project.settings import PROJECT_ROOT, Home, Settings

QUIET: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
OF_STORAGE = ("sqlite3.OperationalError", "sqlalchemy.exc.OperationalError")
"""Begin what a step failed for that could not write into Dagster's storage."""
QUOTED_CHARACTERS, SHORTEST_QUOTE = 60, 8
"""Pages quote the beginning of prompts; of a shorter text nobody can say whether it is quoted."""


class RunStoppedError(SteerworksError):
    """Somebody stopped the run: nothing else is to be begun after it."""


def prepare_dagster_home(home: Home) -> None:
    """Make the instance's folder with its `dagster.yaml`, and point DAGSTER_HOME at it."""
    try:
        home.dagster.mkdir(parents=True, exist_ok=True)
        if not (home.dagster / "dagster.yaml").exists():
            shutil.copyfile(PROJECT_ROOT / "dagster.yaml.example", home.dagster / "dagster.yaml")
    except OSError as error:
        raise _unusable_storage(home, error.strerror or str(error)) from error
    os.environ["DAGSTER_HOME"] = str(home.dagster)


@contextmanager
def open_instance(home: Home) -> Iterator[dg.DagsterInstance]:
    """Open the home's Dagster instance.

    Raises:
        SteerworksError: its storage cannot be read or written, as its disk is full, say.
    """
    from sqlalchemy.exc import OperationalError  # noqa: PLC0415 - Dagster loads it with its storage

    try:
        with dg.DagsterInstance.get() as instance:
            yield instance
    except (OperationalError, sqlite3.OperationalError) as error:
        raise _unusable_storage(home, str(error)) from error


def _unusable_storage(home: Home, why: str) -> SteerworksError:
    why = why.splitlines()[0].rpartition("OperationalError")[2].strip("):, ")
    return SteerworksError(
        f"{home.dagster}: Dagster's storage cannot be used ({why}). Free or repair the disk, or whatever dagster.yaml "
        "there names, and start again: what was done is kept."
    )


class Launcher:
    """Runs jobs of the lineage, one after the other.

    Args:
        settings: the configuration and the home.
        progress: where generation reports; the run's log otherwise.
    """

    def __init__(self, settings: Settings, progress: ProgressResource | None = None) -> None:
        self.settings = settings
        self._overrides = {"progress": progress} if progress else {}
        prepare_dagster_home(settings.home)

    @cached_property
    def _definitions(self) -> dg.Definitions:
        return build_defs(self.settings, self._overrides)

    def run(self, job: str, partition: str) -> None:
        """Run a job for one partition: a campaign, say.

        Raises:
            SteerworksError: the run failed; the message says why.
        """
        self._execute(job, partition_key=partition)

    def prompts(self, batch: str, allowance: Allowance = NO_LIMIT) -> None:
        """Take in, curate and select a delivered batch; models that help may be paid so much."""
        self._register(PROMPT_BATCHES, batch)
        self._execute("prompts", partition_key=batch, run_config=_spending("selected_prompts", allowance))

    def release(self, version: str) -> None:
        """Build a release, or verify it if it is there."""
        self._register(RELEASES, version)
        self.run("release", version)

    def publish(self, version: str) -> None:
        """Publish a release, or find that it is published."""
        self._register(RELEASES, version)
        self.run("publish", version)

    def ranges_to_fill(self, cells: Iterable[tuple[str, str]]) -> list[CellRange]:
        """Return the runs that fill some cells of `responses`, given as model and prompt batch."""
        with open_instance(self.settings.home) as instance:
            return ranges_to_fill(instance, self.settings, cells)

    def responses(self, cells: CellRange, allowance: Allowance = NO_LIMIT) -> None:
        """Fill cells of `responses`, in one run."""
        self._execute("responses", tags=cells.tags, run_config=_spending("responses", allowance))

    def ranges_to_check(self, models: Collection[str]) -> list[CellRange]:
        """Tell Dagster of whole cells that it does not know, and return the runs that check what no check has seen."""
        with open_instance(self.settings.home) as instance:
            tell_of_whole_cells(instance, self.settings, models)
            return ranges_to_check(instance, self.settings, models)

    def check_responses(self, cells: CellRange) -> None:
        """Check cells of `responses`, in one run that asks nothing."""
        self._execute("response_checks", tags=cells.tags)

    def _register(self, partitions: dg.DynamicPartitionsDefinition, key: str) -> None:
        with open_instance(self.settings.home) as instance:
            instance.add_dynamic_partitions(partitions.name or "", [key])

    def _execute(self, job: str, run_config: dict[str, Any] | None = None, **target: Any) -> None:
        with open_instance(self.settings.home) as instance:
            result = self._definitions.resolve_job_def(f"{job}_job").execute_in_process(
                instance=instance, run_config={**QUIET, **(run_config or {})}, raise_on_error=False, **target
            )
        if not result.success:
            if any(_was_interrupted(event) for event in result.all_events if event.is_step_failure):
                raise RunStoppedError("stopped before it was done. What was done is kept; run it again to go on.")
            raise SteerworksError("\n".join(self._reasons(result)) or f"run {result.run_id} failed")

    def _reasons(self, result: dg.ExecuteInProcessResult) -> list[str]:
        """Return why steps failed, in the words that are written for the user; each reason once."""
        reasons = dict.fromkeys(_reason(event) for event in result.all_events if event.is_step_failure)
        return [
            str(_unusable_storage(self.settings.home, reason)) if reason.startswith(OF_STORAGE) else reason
            for reason in reasons
        ]


def _spending(asset: str, allowance: Allowance) -> dict[str, Any]:
    return spending(asset, allowance.usd, limit_name=allowance.name)


def remove_runs_quoting(home: Home, texts: Sequence[str]) -> int:
    """Remove the runs whose records quote any of some texts from Dagster's storage; return how many.

    That they made their partitions is told again, without what they had to say about it.
    """
    if not home.dagster.exists():
        return 0
    prepare_dagster_home(home)
    quotes = [quote for text in texts if len(quote := _as_shown(text)) >= SHORTEST_QUOTE]
    with open_instance(home) as instance:
        run_ids = [record.dagster_run.run_id for record in instance.get_run_records()]
        quoting = [run_id for run_id in run_ids if _quotes_any(instance, run_id, quotes)]
        for run_id in quoting:
            _remove_run(instance, run_id)
    for path in home.dagster.rglob("*.db") if quoting else ():
        with closing(sqlite3.connect(path)) as file:
            file.execute("vacuum")  # SQLite keeps what was deleted until its room is needed
            file.execute("pragma wal_checkpoint(truncate)")  # and what it writes beside, while others have it open
    return len(quoting)


def _as_shown(text: str) -> str:
    """Return the beginning of a text as it stands in the JSON of a page in Markdown."""
    return json.dumps(" ".join(text.replace("|", "\\|").split())[:QUOTED_CHARACTERS])[1:-1]


def _quotes_any(instance: dg.DagsterInstance, run_id: str, quotes: Sequence[str]) -> bool:
    records = (dg.serialize_value(entry) for entry in instance.all_logs(run_id))
    return any(quote in record for record in records for quote in quotes)


def _remove_run(instance: dg.DagsterInstance, run_id: str) -> None:
    made = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    events = [entry.asset_materialization for entry in made if entry.asset_materialization]
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    instance.delete_run(run_id)
    for event in events:
        tags = {name: value for name, value in (event.tags or {}).items() if name.startswith("dagster/")}
        told = dg.AssetMaterialization(event.asset_key, partition=event.partition, tags=tags)
        instance.report_runless_asset_event(told)


def _was_interrupted(event: dg.DagsterEvent) -> bool:
    error = event.step_failure_data.error
    return error is not None and error.cls_name == dg.DagsterExecutionInterruptedError.__name__


def _reason(event: dg.DagsterEvent) -> str:
    failure = event.step_failure_data
    if failure.user_failure_data and failure.user_failure_data.description:
        return failure.user_failure_data.description
    chain = [failure.error] if failure.error else []
    while chain and chain[-1].cause:
        chain.append(chain[-1].cause)
    # Dagster wraps what a step raises, and what the user can mend may have a cause of its own.
    told = next((error for error in chain if error.cls_name == SteerworksError.__name__), chain[-1] if chain else None)
    return told.message.removeprefix(f"dagster_project.errors.{told.cls_name}: ").strip() if told else "no reason given"
