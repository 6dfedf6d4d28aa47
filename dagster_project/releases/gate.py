"""May this be released? Every reason against it, at once.

Belongs here: what refuses a release. Does not belong here: what refuses its publication
(`manifest.publication_refusals`), and what expectations say of a table (`quality`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dagster_project.lake import Lake, Session
from dagster_project.releases.inputs import ReleaseInputs
from dagster_project.releases.manifest import MANIFEST
from dagster_project.releases.shapes import WORKING_COLUMNS, release_shapes
from dagster_project.settings import ReleaseSpec, Settings

Unmet = Callable[[str, Mapping[str, str]], list[str]]
"""Given a table and a partition, why its present bytes must not be read; nothing if all is well."""

CHECKED_TABLES = (
    *("annotation_tasks", "deliveries", "annotations", "annotation_fates"),
    *("retained_annotations", "agreement", "consensus", "preferences"),
)
DELIVERED_TABLES = {"deliveries"}


def refusals(
    lake: Lake, settings: Settings, spec: ReleaseSpec, inputs: ReleaseInputs, session: Session, unmet: Unmet
) -> list[str]:
    """Return every reason why the release of a spec must not be built; nothing if it may be."""
    absent = _absent(lake, inputs)
    reasons = [
        *_parent(settings, spec),
        *_rubrics(settings, inputs),
        *_open_campaigns(lake, inputs),
        *absent,
        *_unmet(lake, inputs, unmet),
        *_forbidden_models(session, spec),
    ]
    return reasons if absent else [*reasons, *_misfits(session), *_nothing_left(lake, inputs)]


def _parent(settings: Settings, spec: ReleaseSpec) -> list[str]:
    if spec.parent is None or (settings.home.releases / spec.parent / MANIFEST).exists():
        return []
    return [
        f"the parent {spec.parent} is not in {settings.home.releases}: build it first, or take it out of the release's "
        "spec"
    ]


def _rubrics(settings: Settings, inputs: ReleaseInputs) -> list[str]:
    first, *others = inputs.campaigns
    rubric = settings.rubric_of(first)
    reasons = [
        f"campaigns `{first}` and `{other}` were rated under different rubrics (names or scale of the attributes): "
        "release them separately"
        for other in others
        if (settings.rubric_of(other).names, settings.rubric_of(other).scale) != (rubric.names, rubric.scale)
    ]
    columns = [name.lower() for name in (*release_shapes(rubric)["data"].schema.names, *WORKING_COLUMNS)]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    return [*reasons, *(f"the rubric would give the column `{name}` twice: rename the attribute" for name in twice)]


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
        for table in CHECKED_TABLES
        if table not in DELIVERED_TABLES and not lake.exists(table, {"campaign": campaign})
    ]


def _unmet(lake: Lake, inputs: ReleaseInputs, unmet: Unmet) -> list[str]:
    return [
        message
        for campaign in inputs.campaigns
        for table in CHECKED_TABLES
        if table in DELIVERED_TABLES or lake.exists(table, {"campaign": campaign})
        for message in unmet(table, {"campaign": campaign})
    ]


def _forbidden_models(session: Session, spec: ReleaseSpec) -> list[str]:
    return [
        f"campaign `{row['campaign']}` shows {row['responses']} responses with text of the model `{row['model']}` "
        f"({row['licence']}), whose terms do not let its outputs train other models: they cannot be released "
        f"under {spec.licence}. Make a campaign without it"
        for row in session.query("release/forbidden_models").to_dicts()
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
