"""Everything in a release's folder: tables, exports, card, report, changelog, and last the manifest of them all.

Belongs here: the order in which they are made from each other. Does not belong here: whether they may be (`gate`),
what each of them says, or what becomes of the folder (`finishing`).
"""

from __future__ import annotations

from collections.abc import Sequence

from dagster_project.errors import SteerworksError, listed
from dagster_project.identity import digest
from dagster_project.lake import Session
from dagster_project.releases.card import data_card
from dagster_project.releases.changelog import changelog, first_changelog
from dagster_project.releases.croissant import CROISSANT, croissant
from dagster_project.releases.difference import difference, folder_of
from dagster_project.releases.exporters import write_exports
from dagster_project.releases.folders import MANIFEST
from dagster_project.releases.hidden_folder import HiddenFolder
from dagster_project.releases.manifest import (
    Manifest,
    ReleaseFile,
    RubricSummary,
    describe_file,
    describe_files,
    read_manifest,
)
from dagster_project.releases.order import Order
from dagster_project.releases.raters import Raters, raters_of
from dagster_project.releases.report import REPORT, report_page
from dagster_project.releases.steps import needed, other_bytes, wrong_step
from dagster_project.releases.tables import write_tables
from dagster_project.whole_files import write_json, write_text

CARD, CHANGELOG = "README.md", "CHANGELOG.md"
LISTED_CHANGES = 5
"""Rows of each change and reason that the changelog names."""


def write_contents(order: Order, session: Session, place: HiddenFolder) -> Manifest:
    """Write every file of a release, whose relations the session has; each is described once, when it is whole.

    Raises:
        SteerworksError: the version is not the right one after its parent.
    """
    folder = place.release
    simulated = bool(session.query("release/simulated").item())
    raters = raters_of(session, order.settings)
    _write_tables_and_pages(order, session, place, raters, simulated)
    tasks = int(session.query("release/published_tasks").item())
    manifest = _manifest(order, describe_files(folder), tasks, raters, simulated)
    write_text(folder / CHANGELOG, _changes(order, place, manifest))
    manifest = manifest.with_file(describe_file(folder, CHANGELOG))
    write_json(folder / CROISSANT, croissant(order.version, order.spec, order.rubric, manifest.files, simulated))
    manifest = manifest.with_file(describe_file(folder, CROISSANT))
    write_json(folder / MANIFEST, manifest.as_json())
    return manifest


def _write_tables_and_pages(
    order: Order, session: Session, place: HiddenFolder, raters: Sequence[Raters], simulated: bool
) -> None:
    rubric, folder = order.rubric, place.release
    files = write_tables(session, rubric, folder)
    exported = write_exports(folder, order.spec, rubric)
    card = data_card(
        session, order.settings, order.version, order.spec, order.inputs, files, exported, raters, simulated
    )
    write_text(folder / CARD, card)
    write_text(folder / REPORT, report_page(session, order.version, order.spec, rubric, simulated))


def _changes(order: Order, place: HiddenFolder, manifest: Manifest) -> str:
    """Return the changelog, once the version is known to be the right one after its parent.

    Raises:
        SteerworksError: it is not; the first row that asks for another is named.
    """
    if order.spec.parent is None:
        rows = sum(rows for path, rows in manifest.rows.items() if path.startswith("data/"))
        return first_changelog(order.version, rows)
    older = order.settings.home.releases / order.spec.parent
    parent = read_manifest(older)
    found = difference(folder_of(older, parent), folder_of(place.release, manifest), LISTED_CHANGES, place.spill)
    need = needed(found, (parent.rubric, manifest.rubric), other_bytes(parent, manifest))
    if problem := wrong_step(order.spec.parent, order.version, need):
        raise SteerworksError(f"release {order.version} is refused:{listed([problem])}")
    return changelog(parent, manifest, found)


def _manifest(
    order: Order, files: Sequence[ReleaseFile], tasks: int, raters: Sequence[Raters], simulated: bool
) -> Manifest:
    rubric = order.rubric
    return Manifest(
        version=order.version,
        parent=order.spec.parent,
        name=order.spec.name,
        licence=order.spec.licence,
        simulated=simulated,
        publishable=not simulated,
        campaigns=list(order.inputs.campaigns),
        tasks=tasks,
        raters=list(raters),
        rubric=RubricSummary(
            name=rubric.name,
            version=rubric.version,
            attributes=rubric.names,
            deciding=rubric.deciding,
            lowest=rubric.scale.lowest,
            highest=rubric.scale.highest,
        ),
        policies={slug: order.settings.policy_of(slug).model_dump(mode="json") for slug in order.inputs.campaigns},
        spec=order.spec.model_dump(mode="json"),
        lock=digest(order.hashes),
        code_version=order.hashes["code version"],
        files=list(files),
    )
