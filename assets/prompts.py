"""Prompts: as delivered, curated, selected. Filling in turns asks a model, within the money of the run."""

import dagster as dg

from dagster_project import curation
from dagster_project.metadata import made
from dagster_project.resources import LakeResource, ProgressResource, SettingsResource, Spending

GROUP = "prompts"


@dg.asset(group_name=GROUP, kinds={"python", "parquet"})
def raw_prompts(
    context: dg.AssetExecutionContext, lake: LakeResource, settings: SettingsResource
) -> dg.MaterializeResult:
    """Prompts as delivered, with source and licence, numbered in order of intake."""
    batch, config = context.partition_key, settings.settings
    report = curation.take_in_prompts(lake.lake, config.home, batch, config.curation.intake)
    return made(lake.lake, "raw_prompts", {"prompt_batch": batch}, report)


@dg.asset(group_name=GROUP, kinds={"duckdb", "parquet"}, deps=[raw_prompts])
def curated_prompts(
    context: dg.AssetExecutionContext, lake: LakeResource, settings: SettingsResource
) -> dg.MaterializeResult:
    """Each prompt kept, or excluded with a reason: filters, benchmark overlap, duplicates over all batches."""
    batch, config = context.partition_key, settings.settings
    report = curation.curate(lake.lake, config.home, config.curation, batch)
    return made(lake.lake, "curated_prompts", {"prompt_batch": batch}, report)


@dg.asset(group_name=GROUP, kinds={"duckdb", "openai", "parquet", "scikitlearn"}, deps=[curated_prompts])
def selected_prompts(
    context: dg.AssetExecutionContext,
    config: Spending,
    lake: LakeResource,
    settings: SettingsResource,
    progress: dg.ResourceParam[ProgressResource],
) -> dg.MaterializeResult:
    """A seeded selection of the kept prompts, even over topics and complexity; a model fills in the turns in between.

    A prompt whose turns the money did not reach is left out, with that reason, until the next run.
    """
    from dagster_project.generation import complete_conversations  # noqa: PLC0415 - loads slowly

    batch, current, reporter = context.partition_key, settings.settings, progress.reporter(context.log)
    models = current.models.for_curation()
    with config.purse(reporter) as purse:
        topics = curation.assign_topics(lake.lake, models, current.curation, batch, reporter, purse)
        complexity = curation.grade(lake.lake, models, current.curation, batch, reporter, purse)
        chosen = curation.select(lake.lake, current.curation, batch)
        waiting = chosen.filter(chosen["selected"] & (chosen["turns"] > 1))
        completed = complete_conversations(
            lake.lake,
            models,
            current.curation.completion_model,
            batch,
            dict(waiting.select("prompt_id", "messages").iter_rows()),
            reporter,
            purse,
            current.curation.completion,
        )
    report = curation.SelectionRun(topics, complexity, curation.write_selected(lake.lake, batch, chosen, completed))
    shown = curation.show_selection(lake.lake, current.curation, batch)
    return made(lake.lake, "selected_prompts", {"prompt_batch": batch}, report, shown)
