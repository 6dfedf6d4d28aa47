"""Building a release: gate, tables, card, manifest, lock; or verifying the one that is there.

A release is made in a hidden folder beside the others and renamed when it is whole, so nothing
half-done is ever seen under its version, whenever the power fails.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dagster_project.errors import SteerworksError
from dagster_project.identity import digest, file_sha256
from dagster_project.lake import Lake, Session
from dagster_project.releases.barring import bar_tasks
from dagster_project.releases.card import data_card
from dagster_project.releases.changelog import changelog, first_changelog
from dagster_project.releases.croissant import CROISSANT, croissant
from dagster_project.releases.difference import difference, folder_of
from dagster_project.releases.exporters import write_exports
from dagster_project.releases.folders import built_versions, version_order
from dagster_project.releases.gate import Unmet, refusals
from dagster_project.releases.inputs import ReleaseInputs, find_inputs, open_inputs
from dagster_project.releases.kept_inputs import keep_inputs
from dagster_project.releases.licensing import KnownTerms, findings, known_terms
from dagster_project.releases.lock import (
    Hashes,
    Lock,
    differences,
    lock_path,
    locked_configuration,
    locked_inputs,
    read_lock,
    write_lock,
)
from dagster_project.releases.manifest import (
    MANIFEST,
    Manifest,
    RubricSummary,
    describe_files,
    read_manifest,
    verify,
)
from dagster_project.releases.personal_data import scan, unscanned
from dagster_project.releases.remaking import lake_of, settings_of
from dagster_project.releases.report import REPORT, report_page
from dagster_project.releases.split_check import moved_prompts
from dagster_project.releases.steps import needed, other_bytes, wrong_step
from dagster_project.releases.tables import make_relations, write_tables
from dagster_project.releases.versions import checked_version, proposal
from dagster_project.releases.yanking import read_yank
from dagster_project.settings import ReleaseSpec, Settings
from dagster_project.whole_files import flush, write_json, write_text

BUILDING = ".building-"
RELEASE, SPILL, LAKE = "release", "spill", "lake"
"""In a build's hidden folder: the release on its way, what DuckDB puts aside, and the lake as it once was."""
NOT_IN_LOCK = ("release spec", "parent ", "code version")
"""The inputs of a lock that it has only hashes of."""
LISTED_CHANGES = 5
"""Rows of each change and reason that the changelog names."""


@dataclass(frozen=True)
class ReleaseReport:
    """What a build left: ``files`` in the folder, ``rows`` of each table by path, released tasks."""

    version: str
    path: Path
    status: Literal["built", "verified"]
    files: int
    rows: dict[str, int]
    tasks: int
    simulated: bool


@dataclass(frozen=True)
class _Order:
    """What is to be built, from what."""

    lake: Lake
    settings: Settings
    version: str
    spec: ReleaseSpec
    inputs: ReleaseInputs
    known: Sequence[KnownTerms]
    hashes: Hashes
    known_of_lock: Sequence[KnownTerms] | None = None

    @property
    def path(self) -> Path:
        return self.settings.home.releases / self.version


def build_release(lake: Lake, settings: Settings, version: str, unmet: Unmet) -> ReleaseReport:
    """Build a release, or verify it if it is there: a version is never overwritten.

    Args:
        lake: the tables.
        settings: the configuration; ``releases/<version>.yaml`` in it says what goes in.
        version: such as ``v1.2.0``, or a candidate ``v1.2.0-rc.1``.
        unmet: which critical expectations do not hold for the present bytes of a partition.

    Raises:
        SteerworksError: the release is refused, with every reason; or it exists and its files or
            its inputs are no longer those that it was built from; or it is yanked.
    """
    checked_version(version)
    if yanked := read_yank(settings.home, version):
        raise SteerworksError(f"{yanked}.\nIt is not built again. {proposal(settings, version)}")
    order = _ordered(lake, settings, version)
    lock = read_lock(settings, version)
    if order.path.exists():
        return _verified(order, lock)
    with _building(order) as place:
        if lock is not None and lock.inputs != order.hashes:
            return _built(_as_of(lock, order, place), place, lock, _nothing_unmet)
        return _built(order, place, lock, unmet)


def _built(order: _Order, place: Path, lock: Lock | None, unmet: Unmet) -> ReleaseReport:
    """Build what is ordered in a hidden folder, and give it its name."""
    folder, settings = place / RELEASE, order.settings
    for campaign in order.inputs.campaigns:
        scan(order.lake, settings, campaign)
    with Session() as session:
        session.limit(place / SPILL)
        open_inputs(session, order.lake, settings, order.spec, order.inputs)
        found = findings(session, settings, order.spec, order.inputs, order.known)
        bar_tasks(session, found)
        if reasons := refusals(order.lake, settings, order.spec, order.inputs, session, unmet, found):
            raise SteerworksError(f"release {order.version} is refused:{_lines(reasons)}")
        _write(order, session, folder)
    manifest = read_manifest(folder)
    built = Lock(
        version=order.version,
        inputs=order.hashes,
        files=_all_hashes(folder, manifest),
        configuration=locked_configuration(settings, order.inputs, order.known),
    )
    _require_locked_files(order, lock, built)
    _require_still_the_same(order, _ordered(order.lake, settings, order.version, order.known_of_lock))
    keep_inputs(order.lake, order.hashes, Lake(settings.home.lake))
    _publish(folder, order.path)
    write_lock(settings, built)
    return _report(order, manifest, "built")


def _ordered(lake: Lake, settings: Settings, version: str, known_of_lock: Sequence[KnownTerms] | None = None) -> _Order:
    spec = settings.release(version)
    inputs = find_inputs(lake, settings, spec)
    known = known_terms(lake, inputs) if known_of_lock is None else known_of_lock
    hashes = locked_inputs(lake, settings, spec, inputs, known)
    return _Order(lake, settings, version, spec, inputs, known, hashes, known_of_lock)


def _as_of(lock: Lock, order: _Order, place: Path) -> _Order:
    """Return the order as it was when a release was built that is lost, though its inputs have moved on.

    Its spec and its parent must be as they were, and the code that makes it.
    """
    kept = {name for name in (*lock.inputs, *order.hashes) if name.startswith(NOT_IN_LOCK)}
    if not lock.configuration.campaigns or any(lock.inputs.get(name) != order.hashes.get(name) for name in kept):
        raise _inputs_moved_on(order, lock)
    settings = settings_of(lock, order.settings)
    lake = lake_of(lock, order.lake, settings, place / LAKE)
    old = _ordered(lake, settings, order.version, lock.configuration.known_terms)
    if old.hashes != lock.inputs:
        raise _inputs_moved_on(old, lock)
    return old


def _nothing_unmet(_table: str, _partition: Mapping[str, str]) -> list[str]:
    """Ask for no checks: they passed when the release was first built, and its bytes are held to those of then."""
    return []


def _write(order: _Order, session: Session, folder: Path) -> None:
    """Write every file of the release; the manifest last, as it describes the others."""
    rubric = order.settings.rubric_of(order.inputs.campaigns[0])
    make_relations(session)
    _require_nothing_personal(order, session)
    _require_fixed_splits(order, session)
    files = write_tables(session, rubric, folder)
    exported = write_exports(folder, order.spec, rubric)
    simulated = bool(session.query("release/simulated").item())
    card = data_card(session, order.settings, order.version, order.spec, order.inputs, files, exported, simulated)
    write_text(folder / "README.md", card)
    write_text(folder / REPORT, report_page(session, order.version, order.spec, rubric, simulated))
    tasks = int(session.query("release/published_tasks").item())
    if not tasks:
        barred = [f"{row['stage']}, {row['reason']}" for row in session.query("release/barred_counts").to_dicts()]
        raise SteerworksError(
            f"release {order.version} is refused:{_lines(['every task is left out: ' + '; '.join(barred)])}"
        )
    manifest = _manifest(order, folder, tasks, simulated)
    write_text(folder / "CHANGELOG.md", _changes(order, folder, manifest))
    described = croissant(order.version, order.spec, rubric, describe_files(folder), simulated)
    write_json(folder / CROISSANT, described)
    write_json(folder / MANIFEST, _manifest(order, folder, tasks, simulated).as_json())


def _require_nothing_personal(order: _Order, session: Session) -> None:
    """The last look, at what would be released: no text in it may have a finding."""
    rows = session.query("release/private_rows")
    unread = [campaign for campaign in order.inputs.campaigns if unscanned(order.lake, order.settings, campaign)]
    if unread or not rows.is_empty():
        found = [
            f"{row['response_id']} of task {row['task_id']} holds personal data" for row in rows.head(5).to_dicts()
        ]
        found += [f"the texts of campaign `{campaign}` changed while they were scanned" for campaign in unread]
        raise SteerworksError(f"release {order.version} is refused:{_lines(found)}")


def _require_fixed_splits(order: _Order, session: Session) -> None:
    """No prompt may be in another split than in an earlier release, of whatever line."""
    home = order.settings.home
    earlier = [name for name in built_versions(home) if version_order(name) < version_order(order.version)]
    if conflicts := moved_prompts(session, home, earlier, order.version):
        more = [f"and {len(conflicts) - 5} more"] if len(conflicts) > 5 else []
        raise SteerworksError(
            f"release {order.version} is refused:{_lines([*conflicts[:5], *more])}\n"
            "Name the release that settled their split as `parent`, or use its `seed` and `validation_share`."
        )


def _changes(order: _Order, folder: Path, manifest: Manifest) -> str:
    """Return the changelog, once the version is known to be the right one after its parent.

    Raises:
        SteerworksError: it is not; the first row that asks for another is named.
    """
    if order.spec.parent is None:
        rows = sum(rows for path, rows in manifest.rows.items() if path.startswith("data/"))
        return first_changelog(order.version, rows)
    older = order.settings.home.releases / order.spec.parent
    parent = read_manifest(older)
    found = difference(folder_of(older, parent), folder_of(folder, manifest), LISTED_CHANGES, folder.parent / SPILL)
    need = needed(found, (parent.rubric, manifest.rubric), other_bytes(parent, manifest))
    if problem := wrong_step(order.spec.parent, order.version, need):
        raise SteerworksError(f"release {order.version} is refused:{_lines([problem])}")
    return changelog(parent, manifest, found)


def _manifest(order: _Order, folder: Path, tasks: int, simulated: bool) -> Manifest:
    settings, campaigns = order.settings, order.inputs.campaigns
    rubric = settings.rubric_of(campaigns[0])
    return Manifest(
        version=order.version,
        parent=order.spec.parent,
        name=order.spec.name,
        licence=order.spec.licence,
        simulated=simulated,
        publishable=not simulated,
        campaigns=list(campaigns),
        tasks=tasks,
        rubric=RubricSummary(
            name=rubric.name,
            version=rubric.version,
            attributes=rubric.names,
            deciding=rubric.deciding,
            lowest=rubric.scale.lowest,
            highest=rubric.scale.highest,
        ),
        policies={slug: settings.policy_of(slug).model_dump(mode="json") for slug in campaigns},
        spec=order.spec.model_dump(mode="json"),
        lock=digest(order.hashes),
        code_version=order.hashes["code version"],
        files=describe_files(folder),
    )


def _verified(order: _Order, lock: Lock | None) -> ReleaseReport:
    """Hold a release that is there to its manifest and to the inputs as they are now."""
    if problems := verify(order.path):
        raise SteerworksError(
            f"release {order.version} is not as it was built:{_lines(problems)}\n"
            f"Restore these files from a copy; or delete {order.path}, and build it again from the same inputs."
        )
    manifest = read_manifest(order.path)
    if manifest.lock != digest(order.hashes):
        changes = differences(lock.inputs, order.hashes) if lock else ["its lock is gone, so what differs is not known"]
        raise SteerworksError(
            f"release {order.version} exists, and was built from other inputs than there are now; a release is never "
            f"overwritten.{_lines(changes)}\n{proposal(order.settings, order.version)}"
        )
    if lock is None:
        files = _all_hashes(order.path, manifest)
        configuration = locked_configuration(order.settings, order.inputs, order.known)
        keep_inputs(order.lake, order.hashes, order.lake)
        write_lock(
            order.settings,
            Lock(version=order.version, inputs=order.hashes, files=files, configuration=configuration),
        )
    return _report(order, manifest, "verified")


def _inputs_moved_on(order: _Order, lock: Lock) -> SteerworksError:
    return SteerworksError(
        f"release {order.version} was built before, from other inputs than there are now:"
        f"{_lines(differences(lock.inputs, order.hashes))}\nRestore them to make the same release again. "
        f"{proposal(order.settings, order.version)} If {order.version} was never given to anyone, delete "
        f"{lock_path(order.settings, order.version)}, and build it anew."
    )


def _require_locked_files(order: _Order, lock: Lock | None, built: Lock) -> None:
    """Hold a release that is made again to the bytes that it had."""
    if lock is None or lock.files == built.files:
        return
    raise SteerworksError(
        f"release {order.version} was built before from the same inputs, and comes out differently now:"
        f"{_lines(differences(lock.files, built.files))}\nA table in between was made by other code or libraries. "
        "Install the versions of requirements.lock, and materialise the campaign's assets again from `annotations` "
        f"on. {proposal(order.settings, order.version)} If {order.version} was never given to anyone, delete "
        f"{lock_path(order.settings, order.version)}, and build it anew."
    )


def _require_still_the_same(order: _Order, now: _Order) -> None:
    """A lock must not name other bytes than those that were read."""
    if changes := differences(order.hashes, now.hashes):
        raise SteerworksError(
            f"these inputs of release {order.version} changed while it was built:{_lines(changes)}\nStart again."
        )


def _all_hashes(folder: Path, manifest: Manifest) -> Hashes:
    return {**manifest.hashes, MANIFEST: file_sha256(folder / MANIFEST)}


def _lines(items: list[str]) -> str:
    return "".join(f"\n- {item}" for item in items)


def _report(order: _Order, manifest: Manifest, status: Literal["built", "verified"]) -> ReleaseReport:
    return ReleaseReport(
        version=order.version,
        path=order.path,
        status=status,
        files=len(manifest.files) + 1,
        rows=manifest.rows,
        tasks=manifest.tasks,
        simulated=manifest.simulated,
    )


@contextmanager
def _building(order: _Order) -> Iterator[Path]:
    """Give a hidden folder to work in; it is gone afterwards, as are those of builds that died."""
    releases = order.settings.home.releases
    for leftover in releases.glob(f"{BUILDING}*"):
        _remove_if_dead(leftover, order.version)
    folder = releases / f"{BUILDING}{order.version}-{os.getpid()}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_if_dead(leftover: Path, version: str) -> None:
    process = leftover.name.rpartition("-")[2]
    is_mine = leftover.name == f"{BUILDING}{version}-{os.getpid()}"
    if is_mine or not (process.isdigit() and _is_alive(int(process))):
        shutil.rmtree(leftover, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _publish(folder: Path, path: Path) -> None:
    """Give a whole release its name."""
    for inner in (folder, *(inner for inner in folder.rglob("*") if inner.is_dir())):
        flush(inner)
    try:
        folder.rename(path)
    except OSError:
        if not path.exists():
            raise
        raise SteerworksError(
            f"{path} was made by another build in the meantime, and is left as it is. Start again to verify it."
        ) from None
    flush(path.parent)
