"""Semantic versions of releases.

Belongs here: what a version may look like, and which comes next. Does not belong here: what is
in a version.
"""

from __future__ import annotations

import re

from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.releases.inputs import find_inputs
from dagster_project.releases.licensing import known_terms
from dagster_project.releases.lock import lock_path, locked_inputs, read_lock
from dagster_project.releases.yanking import yank_path
from dagster_project.settings import Settings, base_version
from dagster_project.settings.version_names import VERSION_PATTERN


def checked_version(version: str) -> str:
    """Return a version if it is one.

    Raises:
        SteerworksError: it is not.
    """
    if not re.fullmatch(VERSION_PATTERN, version):
        raise SteerworksError(f"`{version}` is no version: write it as v1.2.0, or v1.2.0-rc.1 for a candidate.")
    return version


def next_version(settings: Settings, version: str) -> str:
    """Return the next version that was never built: the next candidate, or the next minor version."""
    base, is_candidate, number = version.partition("-rc.")
    if is_candidate:
        following = f"{base}-rc.{int(number) + 1}"
    else:
        major, minor, _ = base.removeprefix("v").split(".")
        following = f"v{major}.{int(minor) + 1}.0"
    is_taken = lock_path(settings, following).exists() or _was_built(settings, following)
    return next_version(settings, following) if is_taken else following


def due_candidate(lake: Lake, settings: Settings, version: str) -> str | None:
    """Return the next candidate of a version, such as ``v1.2.0-rc.2``; None if it would equal the last one."""
    number = 1
    while _was_built(settings, f"{version}-rc.{number}"):
        number += 1
    last = read_lock(settings, f"{version}-rc.{number - 1}")
    spec = settings.release(version)
    inputs = find_inputs(lake, settings, spec)
    if last and last.inputs == locked_inputs(lake, settings, spec, inputs, known_terms(lake, inputs)):
        return None
    return f"{version}-rc.{number}"


def proposal(settings: Settings, version: str) -> str:
    """Return what to do instead of overwriting a version."""
    following = next_version(settings, version)
    if base_version(following) == base_version(version):
        return f"Build the next candidate, {following}."
    parent = f" with `parent: {version}`" if (settings.home.releases / version).exists() else ""
    return f"Take the next version: describe it in {settings.release_path(following)}{parent}, and build {following}."


def _was_built(settings: Settings, version: str) -> bool:
    """Say whether a version is in the home, or was until it was yanked."""
    return (settings.home.releases / version).exists() or yank_path(settings.home, version).exists()
