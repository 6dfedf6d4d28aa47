"""Building a release: admitted, written, finished; or verifying the one that is there.

Belongs here: the order of these steps. Does not belong here: any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake, Session
from dagster_project.releases.admitting import admit
from dagster_project.releases.contents import write_contents
from dagster_project.releases.finishing import finish
from dagster_project.releases.gate import Unmet
from dagster_project.releases.hidden_folder import HiddenFolder, hidden_folder
from dagster_project.releases.lock import Lock, read_lock
from dagster_project.releases.manifest import Manifest
from dagster_project.releases.order import Order, as_of, take_order
from dagster_project.releases.personal_data import scan
from dagster_project.releases.standing import require_as_built
from dagster_project.releases.versions import checked_version, proposal
from dagster_project.releases.yanking import read_yank
from dagster_project.settings import Settings


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
    order = take_order(lake, settings, version)
    lock = read_lock(settings, version)
    if order.path.exists():
        return _report(order, require_as_built(order, lock), "verified")
    with hidden_folder(settings.home.releases, version) as place:
        if lock is not None and lock.inputs != order.hashes:
            return _built(as_of(lock, order, place.lake), place, lock, _nothing_unmet)
        return _built(order, place, lock, unmet)


def _built(order: Order, place: HiddenFolder, lock: Lock | None, unmet: Unmet) -> ReleaseReport:
    for campaign in order.inputs.campaigns:
        scan(order.lake, order.settings, campaign)
    with Session() as session:
        session.limit(place.spill)
        admit(order, session, unmet)
        manifest = write_contents(order, session, place)
    finish(order, place, manifest, lock)
    return _report(order, manifest, "built")


def _nothing_unmet(_table: str, _partition: Mapping[str, str]) -> list[str]:
    """Ask for no checks: they passed when the release was first built, and its bytes are held to those of then."""
    return []


def _report(order: Order, manifest: Manifest, status: Literal["built", "verified"]) -> ReleaseReport:
    return ReleaseReport(
        version=order.version,
        path=order.path,
        status=status,
        files=len(manifest.files) + 1,
        rows=manifest.rows,
        tasks=manifest.tasks,
        simulated=manifest.simulated,
    )
