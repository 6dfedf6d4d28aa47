"""What a withdrawal did, and what is left for a person to do, as a page in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from dagster_project.settings import Settings
from dagster_project.vendors import pending
from dagster_project.withdrawal.purge import Outcome
from dagster_project.withdrawal.scope import Cut, Scope


def page(scope: Scope, outcome: Outcome, runs: int) -> str:
    """Return the page: by store what was purged, the releases that are yanked, and what to do now.

    ``runs`` were removed from Dagster's storage.
    """
    withdrawal = outcome.withdrawal
    subject = "A prompt" if withdrawal.kind == "prompt" else f"A worker of {withdrawal.vendor}"
    lines = [f"# {subject} is withdrawn", ""]
    lines += table_of(outcome.cuts) or ["Nothing of it is in any store."]
    if runs:
        lines += ["", f"From Dagster's storage {runs:,} runs are removed whose pages quoted it."]
    if outcome.remade:
        lines += ["", f"Made again from what is left: the results of {', '.join(outcome.remade)}."]
    lines += [f"- {version} is yanked: it holds something of it." for version in outcome.yanked]
    lines += [f"- **An expectation does not hold any more**: {each}" for each in outcome.unmet]
    lines += ["", "## What is left to do", "", *(f"- {line}" for line in _to_do(scope, outcome))]
    return "\n".join(lines)


def table_of(cuts: Iterable[Cut]) -> list[str]:
    """Return a table of cuts by store: files, and the rows or lines that they lose; nothing for none."""
    files, rows = Counter[str](), Counter[str]()
    for cut in cuts:
        files[cut.store] += 1
        rows[cut.store] += cut.rows
    if not files:
        return []
    head = ["| store | files | rows |", "| --- | ---: | ---: |"]
    return [*head, *(f"| {store} | {files[store]:,} | {rows[store]:,} |" for store in files)]


def _to_do(scope: Scope, outcome: Outcome) -> Iterator[str]:
    settings, withdrawal = scope.settings, outcome.withdrawal
    if withdrawal.kind == "prompt":
        yield (
            "Your own files are not touched: take it out of what you gave to `steerworks prompts add`, of `prompts/`, "
            "and of the files that `imported` and `gold` in campaigns.yaml name. It is refused if it comes again."
        )
    yield from _at_vendors(scope)
    for path in outcome.unreadable:
        yield f"Nobody can read {path}: look yourself whether something of it is in there, and remove the file if so."
    yield "Copies and backups of the home, and logs that you keep elsewhere, are yours to purge."
    if outcome.yanked:
        yield from _about_releases(settings, outcome.yanked)


def _at_vendors(scope: Scope) -> Iterator[str]:
    settings, withdrawal = scope.settings, scope.withdrawal
    asked = {vendor for slug in withdrawal.campaigns for vendor in settings.campaigns[slug].vendors}
    for vendor in sorted({withdrawal.vendor} if withdrawal.vendor else asked):
        yield f"Have {vendor} purge it too: {_at_vendor(withdrawal.kind)}."
        if waiting := [path.name for path in pending(settings.home, settings.vendors, vendor)]:
            yield f"In the inbox of {vendor} wait {', '.join(waiting)}, not taken in yet: it is refused there."
    if (settings.home.vault / "label-studio").exists():
        yield "Label Studio keeps its own data in the vault: delete there the tasks, or the user."


def _at_vendor(kind: str) -> str:
    return "the tasks about it that were sent" if kind == "prompt" else "whatever is kept there of the worker"


def _about_releases(settings: Settings, versions: Iterable[str]) -> Iterator[str]:
    listed = ", ".join(versions)
    yield (
        f"The folders of {listed} stay as they were, so that it can be shown what they held. Delete them when nobody "
        "needs that any more; tell those who have copies not to use them."
    )
    yield "Describe and build the next version: rows are gone, so it is a major one."
    if repository := settings.publishing.repository:
        yield (
            f"On the Hub, if they were published: for each of {listed} "
            f"`HfApi().delete_tag('{repository}', tag=…, repo_type='dataset')` and, where there is one, "
            f"`delete_branch('{repository}', branch='releases/…', repo_type='dataset')`; publish the next version; "
            f"then `super_squash_history('{repository}', repo_type='dataset')`, so that no earlier commit can be "
            "reached. Ask the Hub to purge its caches, and say on the card why the version is gone."
        )
