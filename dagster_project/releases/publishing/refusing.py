"""May this release be published? Every reason against it, at once.

Belongs here: what refuses a publication beyond what refuses a release (`gate`). Does not belong here: the Hub.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from dagster_project.identity import file_sha256
from dagster_project.lake import Lake, Session
from dagster_project.releases.folders import MANIFEST
from dagster_project.releases.gate import Unmet, refusals
from dagster_project.releases.inputs import find_inputs, open_inputs
from dagster_project.releases.licensing import findings, known_terms
from dagster_project.releases.lock import Lock, differences, locked_inputs, read_lock
from dagster_project.releases.manifest import publication_refusals, read_manifest, verify
from dagster_project.releases.splits import SPLITS
from dagster_project.releases.yanking import read_yank
from dagster_project.settings import Settings


def reasons_against(lake: Lake, settings: Settings, version: str, unmet: Unmet) -> list[str]:
    """Return every reason why a release must not be published; nothing if it may.

    Its files are held to its manifest and its lock. What they say of ratings and licences is read from the tables
    themselves. Where its inputs are still what they were, the whole gate of the release is asked again, with
    today's configuration; where they are not, they passed it on the day of the lock.

    Raises:
        SteerworksError: there is no such release, or no description of it.
    """
    folder = settings.home.releases / version
    if yanked := read_yank(settings.home, version):
        return [str(yanked)]
    if broken := verify(folder):
        return broken
    lock = read_lock(settings, version)
    return [
        *_differs_from_lock(folder, lock),
        *(publication_refusals(read_manifest(folder)) or _simulated_rows(folder)),
        *_unlicensed(folder),
        *_gate(lake, settings, version, lock, unmet),
    ]


def _differs_from_lock(folder: Path, lock: Lock | None) -> list[str]:
    if lock is None:
        return [
            f"the lock of {folder.name} is not beside its description, so nothing says that this folder is what was "
            "built: restore the lock from version control, or build the release again"
        ]
    found = {**read_manifest(folder).hashes, MANIFEST: file_sha256(folder / MANIFEST)}
    return [f"{folder} is not what its lock was written for: {line}" for line in differences(lock.files, found)]


def _simulated_rows(folder: Path) -> list[str]:
    """Return a reason if a rating is simulated that the manifest does not call so."""
    import pyarrow.compute as pc  # noqa: PLC0415 - the definitions load without it

    paths = [f"{name}/{split}.parquet" for name in ("data", "annotations") for split in SPLITS]
    return [
        f"{path} holds simulated ratings, though the manifest does not say so"
        for path in paths
        if pc.any(pq.read_table(folder / path, columns=["simulated"], partitioning=None)["simulated"]).as_py()
    ]


def _unlicensed(folder: Path) -> list[str]:
    with Session() as session:
        session.frame("models", pq.read_table(folder / "provenance" / "models.parquet", partitioning=None))
        rows = session.query("release/unlicensed_text").to_dicts()
    return [
        f"it holds text of the model `{row['model']}` ({row['licence'] or 'licence unknown'}), whose terms do not say "
        "that outputs may train other models"
        for row in rows
    ]


def _gate(lake: Lake, settings: Settings, version: str, lock: Lock | None, unmet: Unmet) -> list[str]:
    spec = settings.release(version)
    inputs = find_inputs(lake, settings, spec)
    known = known_terms(lake, inputs)
    if lock is None or lock.inputs != locked_inputs(lake, settings, spec, inputs, known):
        return []
    with Session() as session:
        open_inputs(session, lake, settings, spec, inputs)
        found = findings(session, settings, spec, inputs, known)
        return refusals(lake, settings, spec, inputs, session, unmet, found)
