"""What is to be built, from what: now, or as it was when a release was built that is lost.

Belongs here: putting that together. Does not belong here: building it (`build`), or what the lock says (`lock`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dagster_project.errors import SteerworksError, listed
from dagster_project.lake import Lake
from dagster_project.releases.inputs import ReleaseInputs, find_inputs
from dagster_project.releases.licensing import KnownTerms, known_terms
from dagster_project.releases.lock import Hashes, Lock, differences, lock_path, locked_inputs
from dagster_project.releases.remaking import lake_of, settings_of
from dagster_project.releases.versions import proposal
from dagster_project.settings import ReleaseSpec, Rubric, Settings

NOT_IN_LOCK = ("release spec", "parent ", "code version")
"""The inputs of a lock that it has only hashes of."""


@dataclass(frozen=True)
class Order:
    """What is to be built: ``hashes`` are of everything that goes in, ``known_of_lock`` are terms that a lock has."""

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
        """Where the release lies once it is whole."""
        return self.settings.home.releases / self.version

    @property
    def rubric(self) -> Rubric:
        """What the ratings mean: the gate holds all campaigns to the rubric of the first."""
        return self.settings.rubric_of(self.inputs.campaigns[0])

    def taken_again(self) -> Order:
        """Return the same order, with the inputs as they are by now."""
        return take_order(self.lake, self.settings, self.version, self.known_of_lock)


def take_order(
    lake: Lake, settings: Settings, version: str, known_of_lock: Sequence[KnownTerms] | None = None
) -> Order:
    """Return what a version is built from now."""
    spec = settings.release(version)
    inputs = find_inputs(lake, settings, spec)
    known = known_terms(lake, inputs) if known_of_lock is None else known_of_lock
    hashes = locked_inputs(lake, settings, spec, inputs, known)
    return Order(lake, settings, version, spec, inputs, known, hashes, known_of_lock)


def as_of(lock: Lock, order: Order, root: Path) -> Order:
    """Return the order as it was when a release was built that is lost, though its inputs have moved on.

    Its spec and its parent must be as they were, and the code that makes it. The lake of that day is laid out in the
    folder ``root``.

    Raises:
        SteerworksError: it cannot be made again.
    """
    kept = {name for name in (*lock.inputs, *order.hashes) if name.startswith(NOT_IN_LOCK)}
    if not lock.configuration.campaigns or any(lock.inputs.get(name) != order.hashes.get(name) for name in kept):
        raise _moved_on(order, lock)
    settings = settings_of(lock, order.settings)
    lake = lake_of(lock, order.lake, settings, root)
    old = take_order(lake, settings, order.version, lock.configuration.known_terms)
    if old.hashes != lock.inputs:
        raise _moved_on(old, lock)
    return old


def _moved_on(order: Order, lock: Lock) -> SteerworksError:
    return SteerworksError(
        f"release {order.version} was built before, from other inputs than there are now:"
        f"{listed(differences(lock.inputs, order.hashes))}\nRestore them to make the same release again. "
        f"{proposal(order.settings, order.version)} If {order.version} was never given to anyone, delete "
        f"{lock_path(order.settings, order.version)}, and build it anew."
    )
