"""What is missing of the responses, why, and what to do about it, in words."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from dagster_project.curation import unselected_batches
from dagster_project.generation import unsettled_reasons
from dagster_project.lake import Lake
from dagster_project.settings import Home

NAMED_CELLS = 5
NOTHING_IS_SELECTED = (
    "There are no selected prompts yet, so no response is wanted. Take prompts in with `steerworks prompts add FILE "
    "--batch NAME`."
)


def print_nothing_is_missing(console: Console, lake: Lake) -> None:
    """Print that no cell lacks answers."""
    answered = "Nothing is missing: every model has answered every selected prompt."
    console.print(answered if lake.parts("selected_prompts") else NOTHING_IS_SELECTED)


def print_unselected(console: Console, lake: Lake, home: Home) -> None:
    """Print which batches were taken in but have prompts that nobody is asked for yet, if there are any."""
    if unselected := unselected_batches(lake, home):
        console.print(
            f"Not selected yet, or not all of it: {', '.join(unselected)}. Give the same `steerworks prompts add` "
            "again (nothing is taken in twice), or materialize `selected_prompts` in the UI.",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )


def missing_in_words(lake: Lake, cells: Sequence[tuple[str, str]]) -> str:
    """Say why some cells, given as model and prompt batch, still lack answers, and how to go on."""
    reasons = unsettled_reasons(lake, set(cells))
    money, out, later = (reasons.pop(reason, 0) for reason in ("budget", "batch_pending", "batch_no_room"))
    faults = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
    told = [
        (money, "for want of money", "What a limit left is asked for when that limit allows it; it is named above."),
        (sum(reasons.values()), f"after faults ({faults})", "Run this again: what failed is tried anew."),
        (later, "with no room at the provider", "Run this again when batches have come back."),
        (out, "out in batches", "`steerworks responses batches` lists these; they are collected when they come back."),
    ]
    kinds = ", ".join(f"{count:,} {why}" for count, why, _ in told if count) or "what has no answer yet"
    advice = " ".join(what_to_do for count, _, what_to_do in told if count) or "Run this again."
    return f"Still missing: {kinds}, in {_named(cells)}. {advice}"


def _named(cells: Sequence[tuple[str, str]]) -> str:
    names = [f"{model}|{prompt_batch}" for model, prompt_batch in cells]
    more = f" and {len(names) - NAMED_CELLS} more cells" if len(names) > NAMED_CELLS else ""
    return ", ".join(names[:NAMED_CELLS]) + more
