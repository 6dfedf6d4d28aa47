"""`steerworks run`: brings a release as far as it can go, from prompts to its folder.

Every step is a Dagster run. A step that finds its work done leaves it as it is, so running again
costs seconds and asks no model.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from dagster_project.cli.launch import Launcher, RunStoppedError
from dagster_project.cli.missing import missing_in_words
from dagster_project.cli.money import Allowance, amount_of_usd, left
from dagster_project.cli.progress import TerminalProgress, TerminalProgressResource
from dagster_project.cli.summary import print_summary
from dagster_project.cli.terminal import open_console
from dagster_project.curation import deliver_prompts, delivered_batches, unselected_batches
from dagster_project.errors import SteerworksError
from dagster_project.generation import unfilled_cells
from dagster_project.lake import Lake
from dagster_project.settings import PROJECT_ROOT, Pairing, Settings
from dagster_project.simulation import answer_outbox
from dagster_project.vendors import CampaignStatus, close, status, unpairable_models

STARTER_VERSION = "v0.1.0"
STARTER_BATCH = "starter"


def run(
    version: Annotated[str, typer.Argument(help="the release, as configured in config/releases/")] = STARTER_VERSION,
    max_usd: Annotated[
        float | None,
        typer.Option(callback=amount_of_usd, help="what this command may spend on models"),
    ] = None,
    without_missing: Annotated[
        bool,
        typer.Option("--without-missing", help="make tasks of the answers that are there, though others are missing"),
    ] = False,
) -> None:
    """Make a release and all that it is made from: prompts, responses, tasks, ratings, consensus."""
    settings, console, begun = Settings.from_environment(), open_console(), time.monotonic()
    spec = settings.release(version)
    for campaign in spec.campaigns:
        _require_terms(settings, version, campaign)
    with TerminalProgress(console) as terminal:
        launcher = Launcher(settings, TerminalProgressResource(terminal))
        journey = Journey(settings, launcher, terminal, max_usd, without_missing)
        waiting, problems = journey.campaigns(spec.campaigns)
        if not waiting and not problems:
            with terminal.step(f"release {version}"):
                journey.launcher.release(version)
    if waiting:
        console.print("\n".join(waiting), style="yellow", highlight=False, soft_wrap=True)
    if problems:
        raise SteerworksError("\n".join(problems))
    if not waiting:
        print_summary(console, settings, version, time.monotonic() - begun)


def _require_terms(settings: Settings, version: str, campaign: str) -> None:
    """Refuse, before anybody is paid, models whose answers could not be released."""
    pairing = settings.campaign(campaign).pairing
    if pairing is None:
        return
    models = settings.models.models
    forbidden = [slug for slug in pairing.models or sorted(models) if not models[slug].terms.outputs_may_train]
    if forbidden:
        raise SteerworksError(
            f"release {version}: the terms of {', '.join(forbidden)} in models.yaml do not let outputs train other "
            f"models, so a release could not hold their answers. Name other `models` under `pairing` of the campaign "
            f"`{campaign}`; nothing was asked and nothing was ordered."
        )


@dataclass(frozen=True)
class Journey:
    """The way of one release's campaigns through the lineage."""

    settings: Settings
    launcher: Launcher
    terminal: TerminalProgress
    max_usd: float | None = None
    without_missing: bool = False

    def campaigns(self, campaigns: Sequence[str]) -> tuple[list[str], list[str]]:
        """Bring campaigns to their consensus; return what they wait for, and what kept others from it."""
        waiting: list[str] = []
        problems: list[str] = []
        for campaign in campaigns:
            try:
                waiting += filter(None, [self.campaign(campaign)])
            except RunStoppedError:
                raise
            except SteerworksError as error:
                problems.append(str(error))
        return waiting, problems

    def campaign(self, campaign: str) -> str | None:
        """Bring a campaign to its consensus; return what it waits for, if it does."""
        pairing = self.settings.campaign(campaign).pairing
        if pairing is not None and not self._is_frozen(campaign):
            problems = self._generate(pairing)
            if waiting := self._unselected(pairing) or self._missing(pairing):
                told = f"`{campaign}` waits for {waiting}"
                if problems:
                    raise SteerworksError("\n".join([*problems, told]))
                return told
            for problem in problems:
                self.terminal.waiting(problem)
        with self.terminal.step(f"tasks of {campaign}"):
            self.launcher.run("tasks", campaign)
        self._take_in_ratings(campaign)
        if waiting := self._awaited(campaign):
            return waiting
        with self.terminal.step(f"consensus of {campaign}"):
            self.launcher.run("consensus", campaign)
        return None

    def _is_frozen(self, campaign: str) -> bool:
        """Say whether the tasks were exported: then no further response could reach them."""
        return Lake(self.settings.home.lake).exists("annotation_tasks", {"campaign": campaign})

    def _generate(self, pairing: Pairing) -> list[str]:
        """Have every model asked; return why some could not be."""
        for batch in pairing.prompt_batches:
            self._deliver_starter(batch)
            with self.terminal.step(f"prompts of {batch}"):
                self.launcher.prompts(batch, self._money_left)
        cells = [(model, batch) for model in self._models_of(pairing) for batch in pairing.prompt_batches]
        problems: list[str] = []
        ranges = self.launcher.ranges_to_fill(cells)
        for number, some in enumerate(ranges):
            try:
                with self.terminal.step(f"responses {some}"):
                    self.launcher.responses(some, self._money_left.share_of(some, ranges[number:]))
            except RunStoppedError:
                raise
            except SteerworksError as error:
                problems.append(str(error))
        return list(dict.fromkeys(problems))

    @property
    def _money_left(self) -> Allowance:
        return left(self.max_usd, self.terminal.spent_usd)

    def _models_of(self, pairing: Pairing) -> list[str]:
        return list(pairing.models or sorted(self.settings.models.models))

    def _unselected(self, pairing: Pairing) -> str | None:
        """Return in which batches turns of prompts are missing, if there are any."""
        lake, home = Lake(self.settings.home.lake), self.settings.home
        cut_short = ", ".join(sorted(set(unselected_batches(lake, home)) & set(pairing.prompt_batches)))
        return f"prompts: turns in {cut_short} were left for want of money; run again." if cut_short else None

    def _missing(self, pairing: Pairing) -> str | None:
        """Return which answers are missing to what is to be paired, and why, if any are that are not to be left out."""
        lake = Lake(self.settings.home.lake)
        unfilled = unfilled_cells(lake, self.settings.models, self._models_of(pairing))
        cells = [cell for cell in unfilled if cell[1] in pairing.prompt_batches]
        if self.without_missing or not cells:
            return None
        words = missing_in_words(lake, cells)
        return f"responses, for its tasks are made once. {words} {self._without_them(lake, pairing)}"

    def _without_them(self, lake: Lake, pairing: Pairing) -> str:
        """Say how to go on without what is missing."""
        if unpairable := unpairable_models(lake, self._models_of(pairing), pairing.prompt_batches):
            return (
                f"To go on without {', '.join(unpairable)}, which gave no answer at all or none to a whole batch, name "
                "other `models` under `pairing` in campaigns.yaml."
            )
        return "To go on without them for good, run again with --without-missing."

    def _deliver_starter(self, batch: str) -> None:
        if batch == STARTER_BATCH and not any(known.batch == batch for known in delivered_batches(self.settings.home)):
            path = PROJECT_ROOT / "prompts" / "starter.jsonl"
            deliver_prompts(self.settings.home, path, batch, source="steerworks-starter", licence="CC-BY-4.0")

    def _status(self, campaign: str) -> CampaignStatus:
        return status(Lake(self.settings.home.lake), self.settings, campaign)

    def _take_in_ratings(self, campaign: str) -> None:
        """Take in what a vendor delivered; a simulated one delivers until all that was ordered is there."""
        if self._status(campaign).closed:
            return
        if self.settings.vendor_of(campaign).kind == "simulated":
            self._simulated_rounds(campaign)
        else:
            self._intake(campaign)

    def _intake(self, campaign: str) -> CampaignStatus:
        with self.terminal.step(f"ratings of {campaign}, round {self._status(campaign).rounds}"):
            self.launcher.run("ratings", campaign)
        return self._status(campaign)

    def _simulated_rounds(self, campaign: str) -> None:
        """Have the simulated vendor rate round after round, and close the campaign when nothing is outstanding."""
        delivered = -1
        while (now := self._status(campaign)).delivered > delivered and (now.outstanding or delivered < 0):
            delivered = now.delivered
            self._simulate(campaign, now.rounds)
            self._intake(campaign)
        if not now.outstanding:
            close(Lake(self.settings.home.lake), self.settings, campaign)

    def _simulate(self, campaign: str, round_number: int) -> None:
        home = self.settings.home
        with self.terminal.step(f"simulated vendor rates {campaign}, round {round_number}"):
            answer_outbox(home.outbox, home.inbox)
            time.sleep(self.settings.vendors.settle_seconds)

    def _awaited(self, campaign: str) -> str | None:
        now, home = self._status(campaign), self.settings.home
        vendor = self.settings.campaign(campaign).vendor
        if now.closed:
            return None
        if now.outstanding:
            return (
                f"`{campaign}` waits for {now.outstanding} ratings of tasks. The tasks lie in "
                f"{home.outbox / vendor / campaign}; put the vendor's files into {home.inbox / vendor}, and run again."
            )
        return (
            f"All that was ordered for `{campaign}` is here. "
            f"Close it with `steerworks campaign close {campaign}`, and run again."
        )
