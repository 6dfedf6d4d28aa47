"""May this be released? Every reason against it, at once.

Belongs here: what refuses a release. Does not belong here: what refuses its publication
(`manifest.publication_refusals`), and what expectations say of a table (`quality`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake, Session
from dagster_project.quality import outdated
from dagster_project.releases.folders import MANIFEST
from dagster_project.releases.inputs import MADE_TABLES, READ_TABLES, ReleaseInputs
from dagster_project.releases.licensing import Finding, refused
from dagster_project.releases.shapes import WORKING_COLUMNS, release_shapes
from dagster_project.settings import ReleaseSpec, Settings
from dagster_project.vendors import frozen_rubric

Unmet = Callable[[str, Mapping[str, str]], list[str]]
"""Given a table and a partition, why its present bytes must not be read; nothing if all is well."""


def refusals(
    lake: Lake,
    settings: Settings,
    spec: ReleaseSpec,
    inputs: ReleaseInputs,
    session: Session,
    unmet: Unmet,
    found: Sequence[Finding],
) -> list[str]:
    """Return every reason why the release of a spec must not be built; nothing if it may be.

    ``found`` is what the licence gate found.
    """
    absent = _absent(lake, inputs)
    reasons = [
        *_parent(settings, spec),
        *_rubrics(lake, settings, inputs),
        *_open_campaigns(lake, inputs),
        *absent,
        *_outdated(lake, settings, inputs),
        *_unmet(lake, inputs, unmet),
        *refused(found, spec, settings.licences),
    ]
    return reasons if absent else [*reasons, *_misfits(session), *_nothing_left(lake, inputs)]


def _parent(settings: Settings, spec: ReleaseSpec) -> list[str]:
    if spec.parent is None or (settings.home.releases / spec.parent / MANIFEST).exists():
        return []
    return [
        f"the parent {spec.parent} is not in {settings.home.releases}: build it first, or take it out of the release's "
        "spec"
    ]


def _rubrics(lake: Lake, settings: Settings, inputs: ReleaseInputs) -> list[str]:
    first, *others = inputs.campaigns
    rubric = settings.rubric_of(first)
    reasons = [reason for campaign in inputs.campaigns if (reason := _moved_on(lake, settings, campaign))]
    reasons += [
        f"campaigns `{first}` and `{other}` were rated under different rubrics (names or scale of the attributes): "
        "release them separately"
        for other in others
        if (settings.rubric_of(other).names, settings.rubric_of(other).scale) != (rubric.names, rubric.scale)
    ]
    columns = [name.lower() for name in (*release_shapes(rubric)["data"].schema.names, *WORKING_COLUMNS)]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    return [*reasons, *(f"the rubric would give the column `{name}` twice: rename the attribute" for name in twice)]


def _moved_on(lake: Lake, settings: Settings, campaign: str) -> str | None:
    """Return what is wrong if a campaign's rubric is no longer the one that it was rated under."""
    try:
        frozen_rubric(lake, settings, campaign)
    except SteerworksError as error:
        return str(error)
    return None


def _open_campaigns(lake: Lake, inputs: ReleaseInputs) -> list[str]:
    return [
        f"campaign `{campaign}` is still open: further ratings may arrive. Close it first "
        f"(`steerworks campaign close {campaign}`)"
        for campaign in inputs.campaigns
        if not lake.rows("campaign_closings", {"campaign": campaign})
    ]


def _absent(lake: Lake, inputs: ReleaseInputs) -> list[str]:
    return [
        f"campaign `{campaign}` has no `{table}` yet: materialise it"
        for campaign in inputs.campaigns
        for table in MADE_TABLES
        if not lake.exists(table, {"campaign": campaign})
    ]


def _outdated(lake: Lake, settings: Settings, inputs: ReleaseInputs) -> list[str]:
    """Return why the manifest would name another policy, rubric or code than the ratings were made under."""
    found = {campaign: outdated(lake, settings, campaign) for campaign in inputs.campaigns}
    return [
        f"campaign `{campaign}`: {_listed(tables)} {'was' if len(tables) == 1 else 'were'} made under another policy, "
        "rubric or code, from other annotations, or before the campaign was closed: run "
        f"{'ratings_job and then ' if 'annotator_quality' in tables else ''}consensus_job for it again"
        for campaign, tables in found.items()
        if tables
    ]


def _listed(tables: list[str]) -> str:
    return ", ".join(f"`{table}`" for table in tables)


def _unmet(lake: Lake, inputs: ReleaseInputs, unmet: Unmet) -> list[str]:
    return [
        message
        for table in READ_TABLES
        for partition in inputs.partitions(table)
        if lake.exists(table, partition)
        for message in unmet(table, partition)
    ]


def _misfits(session: Session) -> list[str]:
    return [
        f"campaign `{row['campaign']}`: {row['rows']} {row['misfit']}: materialise the campaign's assets again, "
        "from `annotations` on"
        for row in session.query("release/misfits").to_dicts()
    ]


def _nothing_left(lake: Lake, inputs: ReleaseInputs) -> list[str]:
    if any(lake.rows("consensus", {"campaign": campaign}) for campaign in inputs.campaigns):
        return []
    return [
        f"no task of {', '.join(f'`{campaign}`' for campaign in inputs.campaigns)} was kept, so the release would be "
        "empty: `retained_annotations` says why each annotation left"
    ]
