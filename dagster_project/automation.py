"""What happens by itself: schedules, the inbox sensor, and the condition of cheap tables.

Money is spent by a schedule within its budget or by a person, never because something upstream
changed: no asset that asks a model or orders annotators carries a condition. Schedules start
switched off.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import dagster as dg

from dagster_project.identity import digest
from dagster_project.partitions import PROMPT_BATCHES, RELEASES, cell_key
from dagster_project.settings import Settings
from dagster_project.vendors import pending

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
}


def build_jobs() -> list[dg.UnresolvedAssetJobDefinition]:
    """Return the jobs by which people, schedules and the command line start runs."""
    return [
        dg.define_asset_job(f"{name}_job", dg.AssetSelection.assets(*assets), description=description)
        for name, (description, assets) in JOBS.items()
    ]


def build_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """Return the nightly and the weekly schedule."""
    return [_nightly_responses(settings), _weekly_candidate(settings)]


def build_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Return the inbox sensor and the one that makes cheap tables again."""
    cheap = dg.AutomationConditionSensorDefinition(
        "cheap_tables", target=dg.AssetSelection.all(), default_status=dg.DefaultSensorStatus.RUNNING
    )
    return [_inbox(settings), cheap]


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
        ranges = missing_ranges(context.instance, sorted(settings.models.models))
        if not ranges:
            return dg.SkipReason("every model has answered every selected batch")
        share = nightly.max_usd / len(ranges)
        return [
            dg.RunRequest(
                run_key=f"{context.scheduled_execution_time:%Y-%m-%d} {first}",
                tags=range_tags(first, last),
                run_config={"ops": {"responses": {"config": {"max_usd": share}}}},
            )
            for first, last in ranges
        ]

    return schedule


def missing_ranges(instance: dg.DagsterInstance, models: Sequence[str]) -> list[tuple[str, str]]:
    """Return first and last key of each unbroken run of missing cells, model by model.

    A cell is missing if its prompts are selected and its responses were never materialised.
    """
    batches = instance.get_dynamic_partitions(PROMPT_BATCHES.name or "")
    selected = instance.get_materialized_partitions(dg.AssetKey("selected_prompts"))
    answered = instance.get_materialized_partitions(dg.AssetKey("responses"))
    ranges: list[tuple[str, str]] = []
    for model in models:
        cells = [(cell_key(model, batch), batch in selected) for batch in batches]
        for missing, run in groupby(cells, key=lambda cell: cell[1] and cell[0] not in answered):
            keys = [key for key, _ in run]
            if missing:
                ranges.append((keys[0], keys[-1]))
    return ranges


def range_tags(first: str, last: str) -> dict[str, str]:
    """Return the tags by which one run covers all partitions from ``first`` to ``last``."""
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}


def _weekly_candidate(settings: Settings) -> dg.ScheduleDefinition:
    weekly = settings.automation.weekly_candidate

    @dg.schedule(
        name="weekly_candidate", job_name="release_job", cron_schedule=weekly.cron, execution_timezone=weekly.timezone
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        """Build the next candidate of every configured release that is not out yet."""
        versions = [path.stem for path in sorted((settings.folder / "releases").glob("v*.yaml"))]
        waiting = [version for version in versions if not (settings.home.releases / version).exists()]
        if not waiting:
            return dg.SkipReason("every configured release is out")
        keys = [next_candidate(settings, version) for version in waiting]
        context.instance.add_dynamic_partitions(RELEASES.name or "", keys)
        return [
            dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%d} {key}", partition_key=key)
            for key in keys
        ]

    return schedule


def next_candidate(settings: Settings, version: str) -> str:
    """Return the first candidate of a version that is not built yet, such as ``v1.2.0-rc.2``."""
    number = 1
    while (settings.home.releases / f"{version}-rc.{number}").exists():
        number += 1
    return f"{version}-rc.{number}"


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
            files = pending(settings.home, settings.vendors, vendor)
            state = digest([[file.name, file.stat().st_mtime_ns, file.stat().st_size] for file in files])
            campaigns = [slug for slug, campaign in settings.campaigns.items() if campaign.vendor == vendor]
            if files:
                requests += [dg.RunRequest(run_key=f"{slug} {state}", partition_key=slug) for slug in campaigns]
        return requests or dg.SkipReason("no whole file waits in the inbox")

    return sensor
