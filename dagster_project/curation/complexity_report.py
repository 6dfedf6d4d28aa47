"""Judge and rule side by side: how complex the two find the same prompts.

Belongs here: the figures and their Markdown, which the asset shows. Does not belong here: grading (`complexity`).
"""

from __future__ import annotations

from collections.abc import Mapping

from dagster_project.curation.complexity import agreement_of
from dagster_project.lake import Lake, Session

LEVELS = range(1, 6)
NOBODY_TO_COMPARE = "No judge spoke: the rule alone decides. Name one under `complexity.judge` of curation.yaml."

Counts = Mapping[tuple[int, int], int]


def judge_and_rule(lake: Lake, batch: str) -> str:
    """Return Markdown: how far judge and rule agree over a batch, and a table of their levels."""
    with Session() as session:
        session.table(lake, "prompt_complexity", {"prompt_batch": batch})
        rows = session.query("prompts/levels_compared").rows()
    counts = {(by_rule, by_judge): prompts for by_rule, by_judge, prompts in rows}
    return "\n\n".join([_in_words(counts), _table(counts)]) if counts else NOBODY_TO_COMPARE


def _in_words(counts: Counts) -> str:
    total = sum(counts.values())
    equal = sum(prompts for (rule, judge), prompts in counts.items() if rule == judge)
    near = sum(prompts for (rule, judge), prompts in counts.items() if abs(rule - judge) <= 1)
    higher = sum((judge - rule) * prompts for (rule, judge), prompts in counts.items()) / total
    kappa = agreement_of([pair for pair, prompts in counts.items() for _ in range(prompts)])
    direction = "higher" if higher >= 0 else "lower"
    return (
        f"Of {total} prompts that both graded, the same level for {equal / total:.0%}, one apart at most for "
        f"{near / total:.0%}; the judge is {abs(higher):.2f} levels {direction} in the mean. "
        f"Quadratic-weighted kappa: {'not defined' if kappa is None else f'{kappa:.2f}'}."
    )


def _table(counts: Counts) -> str:
    lines = [f"| rule \\ judge | {' | '.join(map(str, LEVELS))} | all |", f"| --- |{' ---: |' * (len(LEVELS) + 1)}"]
    for rule in LEVELS:
        row = [counts.get((rule, judge), 0) for judge in LEVELS]
        lines.append(f"| **{rule}** | {' | '.join(map(str, row))} | {sum(row)} |")
    columns = [sum(counts.get((rule, judge), 0) for rule in LEVELS) for judge in LEVELS]
    lines.append(f"| **all** | {' | '.join(map(str, columns))} | {sum(columns)} |")
    return "\n".join(lines)
