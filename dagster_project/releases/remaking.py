"""Making an old release again: the lake and the configuration as they were, from its lock.

Primary tables are only added to, and what else a release read is kept; so the tables in between can be made again as
of that day, under the policy of that day. Belongs here: that lake and that configuration. Does not belong here:
building from them (`build`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.quality import judge_annotators, measure_agreement, reach_consensus, retain_annotations
from dagster_project.releases.kept_inputs import IN_LAKE, find_input, link
from dagster_project.releases.lock import Lock, LockedConfiguration
from dagster_project.settings import AgreementPolicy, Campaign, LicencesFile, PersonalDataFile, Rubric, Settings, Vendor
from dagster_project.vendors import merge


@dataclass(frozen=True)
class LockedSettings(Settings):
    """The configuration of an installation, with campaigns, rubrics, policies and vendors as a lock has them."""

    locked: LockedConfiguration = field(default_factory=LockedConfiguration)

    @cached_property
    def campaigns(self) -> dict[str, Campaign]:
        """The campaigns of the lock."""
        return self.locked.campaigns

    @cached_property
    def licences(self) -> LicencesFile:
        """The licence rules of the lock."""
        return self.locked.licences or super().licences

    @cached_property
    def personal_data(self) -> PersonalDataFile:
        """What counted as personal data."""
        return self.locked.personal_data or super().personal_data

    def vendor_of(self, campaign: str) -> Vendor:
        """Return the vendor of a campaign, as far as the lock has it."""
        return self.locked.vendors[campaign]

    def rubric_of(self, campaign: str) -> Rubric:
        """Return the rubric of a campaign."""
        return self.locked.rubrics[campaign]

    def policy_of(self, campaign: str) -> AgreementPolicy:
        """Return the policy of a campaign."""
        return self.locked.policies[campaign]


def settings_of(lock: Lock, settings: Settings) -> Settings:
    """Return the configuration that a lock was made under."""
    return LockedSettings(settings.folder, settings.home, lock.configuration)


def lake_of(lock: Lock, lake: Lake, settings: Settings, root: Path) -> Lake:
    """Lay out the lake of a lock in a folder, and make the tables in between again.

    Args:
        lock: what the release was made from.
        lake: the lake as it is now.
        settings: the configuration of the lock.
        root: an empty or absent folder.

    Raises:
        SteerworksError: files that the lock names are nowhere any more.
    """
    _lay_out(lock, lake, root)
    old = Lake(root)
    for campaign in settings.campaigns:
        _lay_out_receipts(old, lake, campaign)
        merge(old, campaign)
        judge_annotators(old, settings, campaign)
        retain_annotations(old, settings, campaign)
        measure_agreement(old, settings, campaign)
        reach_consensus(old, settings, campaign)
    return old


def _lay_out(lock: Lock, lake: Lake, root: Path) -> None:
    missing = []
    for name, sha256 in lock.inputs.items():
        if not name.startswith(IN_LAKE):
            continue
        source = find_input(lake, name, sha256)
        if source is None:
            missing.append(f"{name} with the hash {sha256[:12]}…")
            continue
        target = root / name.removeprefix(IN_LAKE)
        target.parent.mkdir(parents=True, exist_ok=True)
        link(source, target)
    if missing:
        listed = "".join(f"\n- {line}" for line in missing)
        raise SteerworksError(
            f"release {lock.version} cannot be made again, as these files that it was made from are gone:{listed}\n"
            f"Restore them from a copy of {lake.root}."
        )


def _lay_out_receipts(old: Lake, lake: Lake, campaign: str) -> None:
    """Take over that the campaign is closed, and the receipts of the deliveries that went in."""
    partition = {"campaign": campaign}
    went_in = {path.stem for table in ("deliveries", "quarantine") for path in old.parts(table, partition)}
    for path in lake.parts("campaign_closings", partition):
        _take_over(path, old, lake)
    for path in lake.parts("intake", partition):
        if path.stem in went_in:
            _take_over(path, old, lake)


def _take_over(path: Path, old: Lake, lake: Lake) -> None:
    target = old.root / path.relative_to(lake.root)
    target.parent.mkdir(parents=True, exist_ok=True)
    link(path, target)
