"""What happens by itself: schedules, the inbox sensor, and the condition of cheap tables.

Money is spent by a schedule within its budget or by a person, never because something upstream
changed: no asset that asks a model or orders annotators carries a condition. Schedules, and the sensor that calls
a server of the user's, start switched off.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_project import curation, releases, vendors
from dagster_project.checks import unchecked_partitions
from dagster_project.errors import SteerworksError
from dagster_project.identity import digest
from dagster_project.partitions import PROMPT_BATCHES, RELEASES, CellRange, cell_key, cell_of, ranges_of
from dagster_project.settings import Settings

if TYPE_CHECKING:
    from dagster_project.lake import Lake
    from dagster_project.settings import LabelStudioServer

RETRY_SECONDS = 600
CHEAP = dg.AutomationCondition.eager() & dg.AutomationCondition.all_deps_blocking_checks_passed()
"""Made again when a table before it was, unless a blocking check stands in the way."""


JOBS = {
    "prompts": (
        "Take in, curate and select the prompts of a batch.",
        ("raw_prompts", "curated_prompts", "selected_prompts"),
    ),
    "responses": ("Ask the models; what is answered is not asked again.", ("responses",)),
    "tasks": ("Freeze a campaign's tasks and export them to the outbox.", ("annotation_tasks",)),
    "intake": ("Take in the deliveries of a campaign's vendor.", ("deliveries",)),
    "ratings": (
        "Take in and merge a campaign's deliveries, judge its annotators, order top-ups.",
        ("deliveries", "annotations", "annotator_quality", "top_up_tasks"),
    ),
    "consensus": (
        "Filter a campaign's annotations, measure agreement, publish ratings.",
        ("retained_annotations", "agreement", "consensus"),
    ),
    "release": ("Build a release, or verify it if it is there.", ("dataset_release",)),
    "publish": ("Publish a release on the Hub; one that is there is left as it is.", ("published_release",)),
}


def build_jobs() -> list[dg.UnresolvedAssetJobDefinition]:
    """Return the jobs by which people, schedules and the command line start runs."""
    jobs = [
        dg.define_asset_job(f"{name}_job", dg.AssetSelection.assets(*assets), description=description)
        for name, (description, assets) in JOBS.items()
    ]
    checks = dg.define_asset_job(
        "response_checks_job",
        dg.AssetSelection.checks_for_assets("responses"),
        description="Check what the models answered; nothing is asked.",
    )
    return [*jobs, checks]


def build_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """Return the nightly schedules and the weekly one."""
    return [_nightly_prompts(settings), _nightly_responses(settings), _weekly_candidate(settings)]


def build_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Return the sensors of inbox, batches and Label Studio, and the one that makes cheap tables again."""
    cheap = dg.AutomationConditionSensorDefinition(
        "cheap_tables", target=dg.AssetSelection.all(), default_status=dg.DefaultSensorStatus.RUNNING
    )
    return [_inbox(settings), _batches(settings), _label_studio(settings), cheap]


def _nightly_prompts(settings: Settings) -> dg.ScheduleDefinition:
    nightly = settings.automation.nightly_prompts

    @dg.schedule(
        name="nightly_prompts",
        job_name="prompts_job",
        cron_schedule=nightly.cron,
        execution_timezone=nightly.timezone,
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        """Take in, curate and select the delivered batches that are not selected yet, within the nightly budget."""
        waiting = curation.unselected_batches(_lake(settings), settings.home)
        if not waiting:
            return dg.SkipReason("every delivered batch is selected")
        context.instance.add_dynamic_partitions(PROMPT_BATCHES.name or "", waiting)
        return [
            dg.RunRequest(
                run_key=f"{context.scheduled_execution_time:%Y-%m-%d} {batch}",
                partition_key=batch,
                run_config=spending("selected_prompts", nightly.max_usd / len(waiting)),
            )
            for batch in waiting
        ]

    return schedule


def _nightly_responses(settings: Settings) -> dg.ScheduleDefinition:
    nightly = settings.automation.nightly_responses

    @dg.schedule(
        name="nightly_responses",
        job_name="responses_job",
        cron_schedule=nightly.cron,
        execution_timezone=nightly.timezone,
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        """Ask every model for the selected prompts that it has not answered yet, within the nightly budget."""
        from dagster_project.generation import unfilled_cells  # noqa: PLC0415 - loads slowly

        unfilled = unfilled_cells(_lake(settings), settings.models, sorted(settings.models.models))
        if not unfilled:
            return dg.SkipReason("every model has answered every selected prompt")
        return [
            dg.RunRequest(
                run_key=f"{context.scheduled_execution_time:%Y-%m-%d} {cells}",
                tags=cells.tags,
                run_config=spending("responses", nightly.max_usd * len(cells) / len(unfilled)),
            )
            for cells in ranges_to_fill(context.instance, settings, unfilled)
        ]

    return schedule


def ranges_to_fill(
    instance: dg.DagsterInstance, settings: Settings, cells: Iterable[tuple[str, str]]
) -> list[CellRange]:
    """Return the runs that fill some cells of `responses`.

    Batches that Dagster does not know, as its storage is another one than they were taken in with, are told to it.

    Args:
        instance: which knows the order of the batches.
        settings: whose models.yaml gives the order of the models.
        cells: given as model and prompt batch. The lake says which are missing (`unfilled_cells`), not Dagster: a cell
            that was materialised when the money ran out still lacks answers.
    """
    wanted, name = set(cells), PROMPT_BATCHES.name or ""
    if unknown := sorted({batch for _, batch in wanted} - set(instance.get_dynamic_partitions(name))):
        instance.add_dynamic_partitions(name, unknown)
    return ranges_of(list(settings.models.models), instance.get_dynamic_partitions(name), wanted)


def tell_of_whole_cells(instance: dg.DagsterInstance, settings: Settings, models: Collection[str]) -> None:
    """Record cells of `responses` whose table is there, and which Dagster does not know to be made.

    Their run was stopped in between, or Dagster's storage is another one.
    """
    lake, key = _lake(settings), dg.AssetKey("responses")
    made = instance.get_materialized_partitions(key)
    for model in models:
        for path in lake.parts("responses", {"model": model}):
            batch = path.parent.name.partition("=")[2]
            if cell_key(model, batch) in made:
                continue
            instance.add_dynamic_partitions(PROMPT_BATCHES.name or "", [batch])
            metadata = {"dagster/partition_row_count": lake.rows("responses", {"model": model, "prompt_batch": batch})}
            told = dg.AssetMaterialization(key, partition=cell_key(model, batch), metadata=metadata)
            instance.report_runless_asset_event(told)


def ranges_to_check(instance: dg.DagsterInstance, settings: Settings, models: Collection[str]) -> list[CellRange]:
    """Return the runs that check what some models answered and no check has looked at, as a run was stopped or killed.

    They are runs of checks alone: nothing is asked, whatever became of the answers.
    """
    unchecked = (cell_of(key) for key in unchecked_partitions(instance, "responses"))
    cells = {(cell["model"], cell["prompt_batch"]) for cell in unchecked if cell["model"] in models}
    batches = instance.get_dynamic_partitions(PROMPT_BATCHES.name or "")
    return ranges_of(list(settings.models.models), batches, cells)


def spending(asset: str, max_usd: float | None, **named: str) -> dict[str, Any]:
    """Return the run configuration that limits what an asset may spend on models, in US dollars.

    ``limit_name`` is what messages call the limit, if it is somebody's who does not know of the run.
    """
    return {"ops": {asset: {"config": {"max_usd": max_usd, **named}}}}


def _weekly_candidate(settings: Settings) -> dg.ScheduleDefinition:
    weekly = settings.automation.weekly_candidate

    @dg.schedule(
        name="weekly_candidate", job_name="release_job", cron_schedule=weekly.cron, execution_timezone=weekly.timezone
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        """Build the next candidate of every configured release that is not out yet."""
        versions = [path.stem for path in sorted((settings.folder / "releases").glob("v*.yaml"))]
        waiting = [version for version in versions if _can_be_built(settings, version)]
        keys = [key for version in waiting if (key := releases.due_candidate(_lake(settings), settings, version))]
        if not keys:
            return dg.SkipReason("every configured release is out, waits for an open campaign, or has not changed")
        context.instance.add_dynamic_partitions(RELEASES.name or "", keys)
        return [
            dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%d} {key}", partition_key=key)
            for key in keys
        ]

    return schedule


def _can_be_built(settings: Settings, version: str) -> bool:
    """Say whether a release is not out yet, and all its campaigns are closed."""
    lake, campaigns = _lake(settings), settings.release(version).campaigns
    is_out = (settings.home.releases / version).exists()
    return not is_out and all(vendors.is_closed(lake, campaign) for campaign in campaigns)


def _inbox(settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name="inbox",
        job_name="intake_job",
        minimum_interval_seconds=settings.automation.inbox_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def sensor() -> list[dg.RunRequest] | dg.SkipReason:
        """Take in deliveries as soon as their files are whole; the tables after them follow by themselves."""
        requests = []
        for vendor in settings.vendors.vendors:
            files = vendors.pending(settings.home, settings.vendors, vendor)
            # The same files are tried again after a while: an intake that failed may have been mended since.
            attempt = int(time.time() // RETRY_SECONDS)
            state = digest([attempt, *([file.name, file.stat().st_mtime_ns, file.stat().st_size] for file in files)])
            if files:
                requests += [
                    dg.RunRequest(run_key=f"{slug} {state}", partition_key=slug)
                    for slug in settings.campaigns_of(vendor)
                ]
        return requests or dg.SkipReason("no whole file waits in the inbox")

    return sensor


def _label_studio(settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name="label_studio",
        job_name="intake_job",
        minimum_interval_seconds=settings.automation.label_studio_seconds,
        default_status=dg.DefaultSensorStatus.STOPPED,
    )
    def sensor() -> dg.SkipReason:
        """Pull what was annotated on the vendors' Label Studio servers into the inbox, whose sensor takes it in."""
        pulled, failed = 0, []
        for campaign, server in _served(settings).items():
            try:
                studio = vendors.Studio(server.url, server.token())
                pulled += vendors.pull(settings, studio, campaign, settings.automation.label_studio_tasks) is not None
            except SteerworksError as error:
                failed.append(str(error))
        if failed:
            raise SteerworksError("\n".join(failed))
        return dg.SkipReason(f"annotations of {pulled} campaigns were put into the inbox")

    return sensor


def _served(settings: Settings) -> dict[str, LabelStudioServer]:
    """Return the open campaigns whose vendor has a Label Studio."""
    lake = _lake(settings)
    servers = {
        slug: settings.vendor_of(slug).server for slug in settings.campaigns if not vendors.is_closed(lake, slug)
    }
    return {slug: server for slug, server in servers.items() if server}


def _batches(settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name="batches",
        job_name="responses_job",
        minimum_interval_seconds=settings.automation.batches_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def sensor() -> list[dg.RunRequest] | dg.SkipReason:
        """Collect what has come back of the batches that were handed in to providers; hand in nothing that costs."""
        from dagster_project.generation import cells_with_ended_batches  # noqa: PLC0415 - loads slowly

        ended = cells_with_ended_batches(settings.home.lake, settings.models)
        attempt = int(time.time() // RETRY_SECONDS)
        requests = [
            dg.RunRequest(
                run_key=f"{cell_key(*cell)} {digest([attempt, *marks])}",
                partition_key=cell_key(*cell),
                run_config=spending("responses", 0),
            )
            for cell, marks in ended.items()
        ]
        return requests or dg.SkipReason("no batch that was handed in has ended")

    return sensor


def _lake(settings: Settings) -> Lake:
    from dagster_project.lake import Lake  # noqa: PLC0415 - loads slowly

    return Lake(settings.home.lake)
