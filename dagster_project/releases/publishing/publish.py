"""Getting a release to the Hub: one commit, one tag, and nothing in between that looks like a release.

Belongs here: looking at what is there, and what to do next. Does not belong here: how the Hub is spoken to (`hub`).

Each step is decided anew from what the Hub has now. So a run that was cut or killed anywhere goes on where it was, and
one that comes when all is done does nothing. A release is there when its tag is: a commit without a tag is none.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.releases.folders import MANIFEST
from dagster_project.releases.gate import Unmet
from dagster_project.releases.manifest import read_manifest
from dagster_project.releases.publishing.hub import HubRepository, TryAgainError
from dagster_project.releases.publishing.refusing import reasons_against
from dagster_project.releases.versions import checked_version
from dagster_project.settings import Settings, base_version

MAIN = "main"
PATIENCE = (2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds to wait before each further try, at least; the Hub may ask for more."""
STEPS = 8
PATHS_SHOWN = 5


@dataclass(frozen=True)
class Published:
    """Where a release is now: ``commit`` is what its tag, the version, names."""

    version: str
    repository: str
    address: str
    commit: str
    files: int
    private: bool
    status: Literal["published", "was there"]


def publish_release(
    lake: Lake, settings: Settings, version: str, unmet: Unmet, patience: Sequence[float] = PATIENCE
) -> Published:
    """Publish a release, or find that it is published.

    Args:
        lake: the tables.
        settings: the configuration; ``publishing.yaml`` in it says where to.
        version: a release that was built.
        unmet: which critical expectations do not hold for the present bytes of a partition.
        patience: seconds before each further try after a fault.

    Raises:
        SteerworksError: it is refused, with every reason; the Hub has other bytes under this tag; or the Hub could
            not be reached, or would not take it.
    """
    checked_version(version)
    target, token = settings.publishing, _token(settings)
    if reasons := reasons_against(lake, settings, version, unmet):
        lines = "".join(f"\n- {reason}" for reason in reasons)
        raise SteerworksError(f"{version} must not be published:{lines}")
    repository = HubRepository(str(target.repository), token, target.endpoint)
    return _Publication(repository, settings.home.releases / version, target.private).run(patience)


def _token(settings: Settings) -> str:
    target = settings.publishing
    if target.repository is None:
        raise SteerworksError(
            f"{settings.folder / 'publishing.yaml'} names no `repository`: write owner/name of a data set on the Hub."
        )
    token = os.environ.get(target.token_env, "").strip()
    if not token:
        raise SteerworksError(
            f"the token for the Hub comes from the environment variable {target.token_env}, which is not set. Export "
            "it, and start again; nothing was sent."
        )
    return token


@dataclass
class _Publication:
    """One release on its way."""

    repository: HubRepository
    folder: Path
    private: bool
    has_changed: bool = field(default=False)

    @property
    def version(self) -> str:
        return self.folder.name

    def run(self, patience: Sequence[float]) -> Published:
        waits = list(patience)
        while True:
            try:
                return self._settle()
            except TryAgainError as error:
                if not waits:
                    problem = str(error)
                    break
                time.sleep(max(waits.pop(0), error.wait))
        raise SteerworksError(
            f"{self.repository.name}: the Hub could not be reached, or was too busy, in {len(patience) + 1} tries. If "
            f"the tag {self.version} is there, it is published; publish again to see. It said: {problem}"
        )

    def _settle(self) -> Published:
        """Look, do what is next, and look again, until the tag is there and names what we have."""
        for _ in range(STEPS):
            self._require_repository()
            branches, tags = self.repository.refs()
            if self.version in tags:
                return self._report(tags[self.version])
            self._step(branches, list(tags))
            self.has_changed = True
        raise TryAgainError(f"{self.repository.name} changes faster than it can be looked at")

    def _require_repository(self) -> None:
        is_private = self.repository.is_private()
        if is_private is None:
            self.repository.create(self.private)
        elif self.private and not is_private:
            raise SteerworksError(
                f"{self.repository.name} is public, and publishing.yaml says `private: true`: make it private on the "
                "Hub, or say `private: false`. Nothing was sent."
            )

    def _step(self, branches: dict[str, str], tags: list[str]) -> None:
        branch = self._branch(tags)
        if branch not in branches:
            self.repository.create_branch(branch, MAIN)
        elif self._differences(branches[branch]):
            message = f"{read_manifest(self.folder).name} {self.version}"
            self.repository.commit(self.folder, self._paths, branches[branch], branch, message)
        else:
            self.repository.create_tag(self.version, branches[branch], f"release {self.version}")

    def _branch(self, tags: list[str]) -> str:
        """Return where the commit goes: `main` always holds the latest version, and no candidate."""
        later = [tag for tag in tags if _order(tag) > _order(self.version)]
        is_candidate = base_version(self.version) != self.version
        return f"releases/{self.version}" if later or is_candidate else MAIN

    @property
    def _paths(self) -> list[str]:
        return [*read_manifest(self.folder).hashes, MANIFEST]

    def _differences(self, revision: str) -> list[str]:
        return self.repository.differences(self.folder, self._paths, revision)

    def _report(self, commit: str) -> Published:
        if differences := self._differences(commit):
            shown = ", ".join(differences[:PATHS_SHOWN]) + (", …" if len(differences) > PATHS_SHOWN else "")
            raise SteerworksError(
                f"{self.repository.name} has the tag {self.version} already, and it holds other bytes than "
                f"{self.folder}: {shown}. A version is what it is forever: publish what you have under the next one."
            )
        return Published(
            version=self.version,
            repository=self.repository.name,
            address=self.repository.address(self.version),
            commit=commit,
            files=len(self._paths),
            private=self.private,
            status="published" if self.has_changed else "was there",
        )


def _order(version: str) -> tuple[int, ...]:
    """Return what orders full versions; anything else comes before them."""
    numbers = version.removeprefix("v").split(".")
    return tuple(map(int, numbers)) if len(numbers) == 3 and all(map(str.isdecimal, numbers)) else ()
