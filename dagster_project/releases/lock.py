"""The lock of a release: the hash of everything that went in, and of everything that came out.

It lies beside the release's spec, ``config/releases/<version>.lock.json``, and is meant to be kept
with it: with the same inputs the same version can be made again, and is then held to the same
bytes. Belongs here: that file and comparing it. Does not belong here: building.

Locked are the files of the primary tables and of those that exclusions are read from, and the
configuration that the release shows. Tables in between are functions of these and of the code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dagster_project.errors import SteerworksError
from dagster_project.identity import digest, file_sha256
from dagster_project.lake import Lake
from dagster_project.releases.code_version import code_version
from dagster_project.releases.folders import MANIFEST
from dagster_project.releases.inputs import ReleaseInputs
from dagster_project.releases.licensing import KnownTerms
from dagster_project.settings import (
    AgreementPolicy,
    Campaign,
    LicencesFile,
    PersonalDataFile,
    ReleaseSpec,
    Rubric,
    Settings,
    Vendor,
)
from dagster_project.whole_files import write_json

LOCKED_TABLES = ("curated_prompts", "selected_prompts", "responses", "annotation_tasks", "deliveries", "quarantine")
DIFFERENCES_SHOWN = 12

Hashes = dict[str, str]


class LockedConfiguration(BaseModel):
    """What a release was made under, by campaign: enough to make it again when the files in `config/` moved on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    campaigns: dict[str, Campaign] = Field(default_factory=dict)
    rubrics: dict[str, Rubric] = Field(default_factory=dict)
    policies: dict[str, AgreementPolicy] = Field(default_factory=dict)
    vendors: dict[str, Vendor] = Field(default_factory=dict)
    licences: LicencesFile | None = None
    personal_data: PersonalDataFile | None = None
    known_terms: list[KnownTerms] = Field(default_factory=list)


class Lock(BaseModel):
    """``inputs`` by name and ``files`` by path in the release's folder, each with its SHA-256."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    inputs: Hashes
    files: Hashes
    configuration: LockedConfiguration = LockedConfiguration()


def lock_path(settings: Settings, version: str) -> Path:
    """Return where the lock of a version lies."""
    return settings.folder / "releases" / f"{version}.lock.json"


def read_lock(settings: Settings, version: str) -> Lock | None:
    """Return the lock of a version, or None if there is none.

    Raises:
        SteerworksError: the file is not a lock.
    """
    path = lock_path(settings, version)
    if not path.exists():
        return None
    try:
        return Lock.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise SteerworksError(
            f"{path}: not the lock of a release ({error.error_count()} problems). Restore it from version control, "
            f"or delete it if {version} was never given to anyone."
        ) from None


def write_lock(settings: Settings, lock: Lock) -> None:
    """Write a lock, whole or not at all."""
    write_json(lock_path(settings, lock.version), lock.model_dump(mode="json"))


def locked_inputs(
    lake: Lake, settings: Settings, spec: ReleaseSpec, inputs: ReleaseInputs, known: Sequence[KnownTerms]
) -> Hashes:
    """Return the hash of everything that the release of a spec would be made from now."""
    return {
        "code version": code_version(),
        "licence rules": digest([settings.licences.model_dump(mode="json"), [terms.model_dump() for terms in known]]),
        "rules of personal data": digest(settings.personal_data.model_dump(mode="json")),
        **_configuration(settings, spec, inputs),
        **_lake_files(lake, inputs),
    }


def locked_configuration(settings: Settings, inputs: ReleaseInputs, known: Sequence[KnownTerms]) -> LockedConfiguration:
    """Return the configuration that the release would be made under now."""
    slugs = inputs.campaigns
    return LockedConfiguration(
        campaigns={slug: settings.campaign(slug) for slug in slugs},
        rubrics={slug: settings.rubric_of(slug) for slug in slugs},
        policies={slug: settings.policy_of(slug) for slug in slugs},
        vendors={slug: Vendor.model_validate(_terms(settings.vendor_of(slug))) for slug in slugs},
        licences=settings.licences,
        personal_data=settings.personal_data,
        known_terms=list(known),
    )


def differences(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return what differs between two sets of hashes, a line each; the rest is counted."""
    lines = [
        *(f"changed: {name}" for name in sorted(then.keys() & now.keys()) if then[name] != now[name]),
        *(f"new: {name}" for name in sorted(now.keys() - then.keys())),
        *(f"gone: {name}" for name in sorted(then.keys() - now.keys())),
    ]
    hidden = len(lines) - DIFFERENCES_SHOWN
    return [*lines[:DIFFERENCES_SHOWN], f"and {hidden} more"] if hidden > 0 else lines


def _configuration(settings: Settings, spec: ReleaseSpec, inputs: ReleaseInputs) -> Hashes:
    hashes = {"release spec": digest(spec.model_dump(mode="json"))}
    if spec.parent:
        manifest = settings.home.releases / spec.parent / MANIFEST
        hashes[f"parent {spec.parent}"] = file_sha256(manifest) if manifest.exists() else ""
    for slug in inputs.campaigns:
        hashes[f"campaign {slug}"] = digest(settings.campaign(slug).model_dump(mode="json"))
        hashes[f"rubric of {slug}"] = digest(settings.rubric_of(slug).model_dump(mode="json"))
        hashes[f"policy of {slug}"] = digest(settings.policy_of(slug).model_dump(mode="json"))
        hashes[f"vendor of {slug}"] = digest(_terms(settings.vendor_of(slug)))
    return hashes


def _terms(vendor: Vendor) -> dict[str, Any]:
    """Return what a release says and uses of a vendor; prices and keys are nobody's business."""
    return vendor.model_dump(mode="json", include={"kind", "description", "licence", "slots"})


def _lake_files(lake: Lake, inputs: ReleaseInputs) -> Hashes:
    return {
        f"lake/{path.relative_to(lake.root).as_posix()}": file_sha256(path)
        for table in LOCKED_TABLES
        for partition in inputs.partitions(table)
        for path in lake.parts(table, partition)
    }
