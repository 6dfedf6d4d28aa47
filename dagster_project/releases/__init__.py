"""Releases: versioned folders with data, provenance, card and manifest, the same bytes each time.

Belongs here: the order of a build (`build`), what it is of (`order`, `inputs`, `lock`, `code_version`), what may be
released (`admitting`, `gate`), what it holds (`contents`, `tables`, `shapes`, `splits`, `flat_text`, `exporters`), how
it describes itself (`card`, `changelog`, `croissant`, `manifest`), how it comes to stand under its version
(`hidden_folder`, `finishing`, `standing`), marking it as not to be used any more (`yanking`), and getting it to the Hub
(`publishing`). Does not belong here: how ratings are filtered (`quality`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster_project.lazily import offering

if TYPE_CHECKING:
    from dagster_project.releases.build import ReleaseReport, build_release
    from dagster_project.releases.explaining import explain
    from dagster_project.releases.folders import built_versions
    from dagster_project.releases.gate import Unmet
    from dagster_project.releases.manifest import Manifest, publication_refusals, read_manifest, verify
    from dagster_project.releases.split_check import split_conflicts
    from dagster_project.releases.versions import due_candidate, next_version
    from dagster_project.releases.yanking import read_yank, versions_holding, yank, yank_of_folder

_MODULES = {
    "ReleaseReport": "build",
    "build_release": "build",
    "explain": "explaining",
    "built_versions": "folders",
    "Unmet": "gate",
    "Manifest": "manifest",
    "publication_refusals": "manifest",
    "read_manifest": "manifest",
    "verify": "manifest",
    "split_conflicts": "split_check",
    "due_candidate": "versions",
    "next_version": "versions",
    "read_yank": "yanking",
    "versions_holding": "yanking",
    "yank": "yanking",
    "yank_of_folder": "yanking",
}
"""Where each name comes from; who traces a row back need not wait for all that a build needs."""

__all__ = [
    "Manifest",
    "ReleaseReport",
    "Unmet",
    "build_release",
    "built_versions",
    "due_candidate",
    "explain",
    "next_version",
    "publication_refusals",
    "read_manifest",
    "read_yank",
    "split_conflicts",
    "verify",
    "versions_holding",
    "yank",
    "yank_of_folder",
]

__getattr__ = offering(__name__, _MODULES)
