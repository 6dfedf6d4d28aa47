"""The purge: what goes, in which order, and what is made again after it.

The order makes a kill at any moment harmless. The record is in the register before anything goes, so that intake
refuses from then on; each cut replaces one file, whole; and what a cut is found by goes after it. Run again, it finds
what is left, and finishes. Belongs here: that order. Does not belong here: the cuts themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from dagster_project.errors import SteerworksError
from dagster_project.generation.forgetting import nobody_asking
from dagster_project.lake import TABLES, Lake, Partition
from dagster_project.quality import judge_annotators, measure_agreement, reach_consensus, retain_annotations
from dagster_project.quality.expectations import check_partition, load_suites
from dagster_project.releases import versions_holding, yank
from dagster_project.settings import PROJECT_ROOT, Settings
from dagster_project.vendors import merge, pending, take_in
from dagster_project.vendors.vault import open_vault
from dagster_project.withdrawal import delivered, files, prompt_tables
from dagster_project.withdrawal.scope import Cut, Scope
from dagster_project.withdrawn import Withdrawal

Stage = Callable[[Lake, Settings, str], object]
STAGES: dict[str, Stage] = {
    "annotations": lambda lake, _, campaign: merge(lake, campaign),
    "annotator_quality": judge_annotators,
    "retained_annotations": retain_annotations,
    "agreement": measure_agreement,
    "consensus": reach_consensus,
}
"""What is made from deliveries, in the order in which it is made again."""


@dataclass(frozen=True)
class Outcome:
    """What a purge did: its cuts, releases that are yanked, campaigns whose results were made again, expectations that
    do not hold any more, and raw deliveries that nobody can read.
    """

    withdrawal: Withdrawal
    cuts: tuple[Cut, ...]
    yanked: tuple[str, ...]
    remade: tuple[str, ...]
    unmet: tuple[str, ...]
    unreadable: tuple[Path, ...]


def plan(scope: Scope) -> list[Cut]:
    """Return what goes, in order, as far as it is there; nothing is changed.

    Raises:
        SteerworksError: a campaign that has some of it is not configured, or the key for pseudonyms is not as before.
    """
    _require_configured(scope)
    return list(_cuts(scope))


def held_by(scope: Scope) -> list[str]:
    """Return the releases that hold what is withdrawn."""
    pseudonym = scope.withdrawal.pseudonym
    return versions_holding(scope.settings.home, scope.withdrawal.prompt_ids, {pseudonym} if pseudonym else ())


def purge(scope: Scope) -> Outcome:
    """Take what is withdrawn out of every store; safe to repeat, and after a kill.

    Raises:
        SteerworksError: as `plan`, or a run asks models. What is purged stays purged.
    """
    _require_configured(scope)
    withdrawal, settings = scope.withdrawal, scope.settings
    scope.register.write(withdrawal)
    yanked = held_by(scope)
    for version in yanked:
        yank(settings.home, version, withdrawal.name, withdrawal.day)
    for vendor in _vendors(scope):
        if pending(settings.home, settings.vendors, vendor):
            take_in(scope.lake, settings, vendor)  # what waits there is refused, and sealed
    with _alone(scope):
        cuts = plan(scope)
        for cut in cuts:
            cut.make()
    remade = _made_again(scope) if cuts or not withdrawal.is_done else []
    unmet = list(_unmet(scope)) if cuts or not withdrawal.is_done else []
    scope.register.write(withdrawal.model_copy(update={"is_done": True}))
    unread = [path for vendor in _vendors(scope) for path in delivered.unreadable(scope, vendor)]
    return Outcome(withdrawal, tuple(cuts), tuple(yanked), tuple(remade), tuple(unmet), tuple(unread))


def _require_configured(scope: Scope) -> None:
    if unknown := scope.withdrawal.campaigns - scope.settings.campaigns.keys():
        raise SteerworksError(
            f"{', '.join(sorted(unknown))}: something of it is in these campaigns, which "
            f"{scope.settings.folder / 'campaigns.yaml'} does not have any more, so their tables cannot be made again. "
            "Put them back there until the withdrawal is through, and start again."
        )


def _cuts(scope: Scope) -> Iterator[Cut]:
    if scope.withdrawal.kind == "prompt":
        yield from prompt_tables.cuts(scope)
        yield from files.prompt_deliveries(scope)
        yield from files.journals(scope)
    yield from files.outbox(scope)
    for vendor in _vendors(scope):
        yield from delivered.cuts(scope, vendor)
    yield from files.tasks(scope)
    yield from files.kept_inputs(scope)
    yield from files.findings(scope)
    yield from files.leftovers(scope)


def _vendors(scope: Scope) -> list[str]:
    """Return the vendors who may have sent something of it, and who still have a campaign."""
    campaigns = scope.settings.campaigns
    own = {vendor for campaign in campaigns.values() for vendor in campaign.vendors} & {scope.withdrawal.vendor}
    if scope.withdrawal.kind == "worker":
        return sorted(vendor for vendor in own if vendor)
    concerned = {vendor for slug in scope.withdrawal.campaigns for vendor in campaigns[slug].vendors}
    return sorted(concerned)


@contextmanager
def _alone(scope: Scope) -> Iterator[None]:
    """Keep intake and generation away while files are rewritten."""
    with ExitStack() as stack:
        for vendor in _vendors(scope):
            stack.enter_context(FileLock(open_vault(scope.settings.home) / f".intake-{vendor}.lock"))
        if scope.withdrawal.kind == "prompt":
            stack.enter_context(nobody_asking(scope.lake.root))
        yield


def _made_again(scope: Scope) -> list[str]:
    """Make again what follows from deliveries, as far as it was made before; return the campaigns."""
    campaigns = sorted(scope.withdrawal.campaigns & scope.settings.campaigns.keys())
    for campaign in campaigns:
        for table, stage in STAGES.items():
            if scope.lake.exists(table, {"campaign": campaign}):
                stage(scope.lake, scope.settings, campaign)
    return campaigns


def _unmet(scope: Scope) -> Iterator[str]:
    """Check what was rewritten, as a release wants it; yield the critical expectations that do not hold."""
    suites = load_suites(PROJECT_ROOT / "expectations")
    for table in suites:
        for partition in _partitions(scope, table):
            for found in check_partition(scope.lake, table, partition, suites):
                if found.severity == "critical" and not found.passed:
                    yield f"{table} ({', '.join(partition.values())}): {found.expectation}"


def _partitions(scope: Scope, table: str) -> list[Partition]:
    """Return the partitions of a table in which something of it was."""
    keys = {"campaign": scope.withdrawal.campaigns, "prompt_batch": scope.withdrawal.prompt_batches}
    found: list[Partition] = []
    for path in scope.lake.parts(table):
        folders = path.relative_to(scope.lake.root).parts[1:-1]
        partition = dict(folder.split("=", 1) for folder in folders)
        concerned = any(partition.get(dimension) in values for dimension, values in keys.items())
        if concerned and partition not in found and set(partition) == set(TABLES[table].partitions):
            found.append(partition)
    return found
