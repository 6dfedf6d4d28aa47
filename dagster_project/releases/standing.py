"""A release that is there already: held to its manifest and to its inputs, and never overwritten.

Belongs here: that, and writing a lock that a build did not come to. Does not belong here: checking a folder of unknown
origin (`manifest.verify`).
"""

from __future__ import annotations

from dagster_project.errors import SteerworksError, listed
from dagster_project.identity import digest, file_sha256
from dagster_project.releases.folders import MANIFEST
from dagster_project.releases.kept_inputs import keep_inputs
from dagster_project.releases.lock import Lock, differences, locked_configuration, write_lock
from dagster_project.releases.manifest import Manifest, read_manifest, verify
from dagster_project.releases.order import Order
from dagster_project.releases.versions import proposal


def require_as_built(order: Order, lock: Lock | None) -> Manifest:
    """Return the manifest of a release that is there, if it is as it was built and would be built so again.

    Raises:
        SteerworksError: its files changed, or its inputs are others now.
    """
    if problems := verify(order.path):
        raise SteerworksError(
            f"release {order.version} is not as it was built:{listed(problems)}\n"
            f"Restore these files from a copy; or delete {order.path}, and build it again from the same inputs."
        )
    manifest = read_manifest(order.path)
    if manifest.lock != digest(order.hashes):
        changes = differences(lock.inputs, order.hashes) if lock else ["its lock is gone, so what differs is not known"]
        raise SteerworksError(
            f"release {order.version} exists, and was built from other inputs than there are now; a release is never "
            f"overwritten.{listed(changes)}\n{proposal(order.settings, order.version)}"
        )
    if lock is None:
        _lock_again(order, manifest)
    return manifest


def _lock_again(order: Order, manifest: Manifest) -> None:
    """Write the lock of a release whose build was killed before it came to that."""
    keep_inputs(order.lake, order.hashes, order.lake)
    lock = Lock(
        version=order.version,
        inputs=order.hashes,
        files={**manifest.hashes, MANIFEST: file_sha256(order.path / MANIFEST)},
        configuration=locked_configuration(order.settings, order.inputs, order.known),
    )
    write_lock(order.settings, lock)
