"""Finishing a release that is made: held to its lock and to its inputs, its inputs kept, named, and locked.

Belongs here: what comes between the last file and the lock, in an order that a kill at any moment leaves whole. Does
not belong here: making the files (`contents`), or holding a release to account that was there before (`standing`).
"""

from __future__ import annotations

from dagster_project.errors import SteerworksError, listed
from dagster_project.identity import file_sha256
from dagster_project.lake import Lake
from dagster_project.releases.folders import MANIFEST
from dagster_project.releases.hidden_folder import HiddenFolder, give_name
from dagster_project.releases.kept_inputs import keep_inputs
from dagster_project.releases.lock import Lock, differences, lock_path, locked_configuration, write_lock
from dagster_project.releases.manifest import Manifest
from dagster_project.releases.order import Order
from dagster_project.releases.versions import proposal


def finish(order: Order, place: HiddenFolder, manifest: Manifest, lock: Lock | None) -> None:
    """Give a release that is made its name and its lock; ``lock`` is that of an earlier build of the version.

    Raises:
        SteerworksError: it came out differently than before, or its inputs changed meanwhile.
    """
    built = Lock(
        version=order.version,
        inputs=order.hashes,
        files={**manifest.hashes, MANIFEST: file_sha256(place.release / MANIFEST)},
        configuration=locked_configuration(order.settings, order.inputs, order.known),
    )
    _require_locked_files(order, lock, built)
    _require_same_inputs(order)
    keep_inputs(order.lake, order.hashes, Lake(order.settings.home.lake))
    give_name(place.release, order.path)
    write_lock(order.settings, built)


def _require_locked_files(order: Order, lock: Lock | None, built: Lock) -> None:
    """Hold a release that is made again to the bytes that it had."""
    if lock is None or lock.files == built.files:
        return
    raise SteerworksError(
        f"release {order.version} was built before from the same inputs, and comes out differently now:"
        f"{listed(differences(lock.files, built.files))}\nA table in between was made by other code or libraries. "
        "Install the versions of requirements.lock, and materialise the campaign's assets again from `annotations` "
        f"on. {proposal(order.settings, order.version)} If {order.version} was never given to anyone, delete "
        f"{lock_path(order.settings, order.version)}, and build it anew."
    )


def _require_same_inputs(order: Order) -> None:
    """A lock must not name other bytes than those that were read."""
    if changes := differences(order.hashes, order.taken_again().hashes):
        raise SteerworksError(
            f"these inputs of release {order.version} changed while it was built:{listed(changes)}\nStart again."
        )
