"""What each table of this package is made from, as one hash that lies in the table's own file.

A release must hold what its manifest says. So each table carries the hash of its inputs, the rules
and the code that it was made from, and `outdated` names those that would be made otherwise now.
Belongs here: those hashes. Does not belong here: making the tables, or refusing a release.
"""

from __future__ import annotations

from pathlib import Path

from dagster_project import __version__
from dagster_project.identity import digest, file_sha256
from dagster_project.lake import Lake
from dagster_project.settings import PROJECT_ROOT, Settings

INPUTS = {
    "annotator_quality": ("annotations", "control_annotations"),
    "retained_annotations": ("annotation_tasks", "annotations", "annotator_quality"),
    "agreement": ("annotation_tasks", "retained_annotations"),
    "agreement_counts": ("annotation_tasks", "retained_annotations"),
    "consensus": ("retained_annotations",),
    "preferences": ("retained_annotations",),
    "aggregations": ("retained_annotations",),
}
"""The tables of this package in the order in which they are made, with what each reads from the lake."""


FORMULAS = ("aggregating", "aggregation", "ballots", "counts", "figures", "selection", "shuffling", "statistics")
"""The modules that, beside the statements, say what becomes of ratings."""


def made_from(lake: Lake, settings: Settings, campaign: str, table: str) -> str:
    """Return the hash of all that a table of a campaign would be made from now.

    An input's hash covers the hash in its own file: what is two steps back counts too.
    """
    rubric = settings.rubric_of(campaign)
    ingredients = {
        "inputs": {name: lake.content_hash(name, {"campaign": campaign}) for name in INPUTS[table]},
        "rubric": [rubric.rows(), rubric.preference],
        "code": _code_version(),
        "rules": _rules(lake, settings, campaign, table),
    }
    return digest(ingredients)


def outdated(lake: Lake, settings: Settings, campaign: str) -> list[str]:
    """Return the tables of a campaign that were made from something else than there is now."""
    partition = {"campaign": campaign}
    return [
        table
        for table in INPUTS
        if lake.exists(table, partition)
        and lake.made_from(table, partition) != made_from(lake, settings, campaign, table)
    ]


def _rules(lake: Lake, settings: Settings, campaign: str, table: str) -> dict[str, object]:
    policy = settings.policy_of(campaign)
    if table == "annotator_quality":
        return policy.trust.model_dump(mode="json")
    return {
        "policy": policy.model_dump(mode="json"),
        "slots": settings.vendor_of(campaign).slots,
        "closed": lake.exists("campaign_closings", {"campaign": campaign}),
    }


def _code_version() -> str:
    """Return a hash over the package's version and the statements and formulas behind these tables."""
    formulas = [Path(__file__).with_name(f"{name}.py") for name in FORMULAS]
    behind = [*sorted((PROJECT_ROOT / "sql" / "quality").glob("*.sql")), *formulas]
    return digest([__version__, [[path.name, file_sha256(path)] for path in behind]])
