"""`prompt_complexity`: how complex each kept prompt is, from 1 to 5.

HelpSteer2 had a model score each prompt by the number of its instructional intentions and of its constraints. So does
the judge here, in words of our own; without one, or where it says nothing that can be read, the rule over the text
counts.

Belongs here: asking the judge, reading what it says, and comparing it with the rule. Does not belong here: the rule.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dagster_project.curation.complexity_rules import level_by_rule
from dagster_project.generation import Answer, Progress, Purse, judge
from dagster_project.lake import TABLES, Lake, Session
from dagster_project.settings import CurationFile, ModelsFile

Messages = Sequence[Mapping[str, str]]

TASK = """\
You grade how complex requests to an assistant are. Count two things in the request between the marks:
- its intentions: each separate thing that the assistant is asked to do or to answer, over all turns;
- its constraints: each condition on the result, such as length, form, audience, style, what to use and what to avoid.
Do not answer the request, and do not judge how hard its subject is. Grade:
1 - one plain intention, no constraint
2 - one intention with a constraint or two
3 - a few intentions or several constraints
4 - several intentions with constraints that work together
5 - many intentions or constraints that depend on each other, and all of them must be met at once
Answer with JSON only: {"complexity": N}, N from 1 to 5."""

_VERDICT = re.compile(r'"complexity"\s*:\s*"?([1-5])(?![\d.])|^\W*([1-5])(?:\s*/\s*5)?\W*$', re.IGNORECASE)
_MOST_CHARACTERS = 12_000


@dataclass(frozen=True)
class ComplexityReport:
    """Prompts at each level, by whom; ``kappa`` compares judge and rule, quadratic-weighted, where both spoke."""

    levels: dict[str, int]
    judged: int
    unjudged: dict[str, int]
    kappa: float | None


def grade(
    lake: Lake, models: ModelsFile, curation: CurationFile, batch: str, progress: Progress, purse: Purse
) -> ComplexityReport:
    """Write the `prompt_complexity` partition of a batch.

    Raises:
        UnfinishedError: some prompts wait for their judgement, for lack of money or of an answer.
        SteerworksError: the judge cannot be asked.
    """
    with Session() as session:
        session.table(lake, "curated_prompts", {"prompt_batch": batch})
        prompts = dict(session.query("prompts/kept").select("prompt_id", "messages").iter_rows())
    slug = curation.complexity.judge
    questions = {prompt_id: question(messages) for prompt_id, messages in prompts.items()} if slug else {}
    said = judge(lake, models, slug, batch, questions, progress, purse) if slug else {}
    rows = [_row(batch, prompt_id, messages, slug, said.get(prompt_id)) for prompt_id, messages in prompts.items()]
    table = pa.Table.from_pylist(rows, TABLES["prompt_complexity"].schema)
    lake.write("prompt_complexity", {"prompt_batch": batch}, table)
    return _report(rows)


def question(messages: Messages) -> list[dict[str, str]]:
    """Return what the judge is asked about a prompt; of a very long one, its beginning and its end."""
    turns = [turn["content"] for turn in messages if turn["role"] == "user"]
    shown = "\n\n".join(f"Turn {number}: {text}" for number, text in enumerate(turns, start=1))
    if len(shown) > _MOST_CHARACTERS:
        half = _MOST_CHARACTERS // 2
        shown = f"{shown[:half]}\n[…]\n{shown[-half:]}"
    return [
        {"role": "system", "content": TASK},
        {"role": "user", "content": f"<request>\n{shown}\n</request>"},
    ]


def verdict(said: str) -> int | None:
    """Read a judge's answer: its JSON, or a bare level; None for anything else."""
    found = [json or bare for json, bare in _VERDICT.findall(said.strip())]
    return int(found[-1]) if found and len(set(found)) == 1 else None


def _row(batch: str, prompt_id: str, messages: Messages, judge_slug: str | None, said: Answer | None) -> dict[str, Any]:
    by_rule = level_by_rule(messages)
    by_judge = verdict(said.response) if said and said.response else None
    reason = None if said is None or by_judge else (said.reason or "unreadable")
    return {
        "prompt_batch": batch,
        "prompt_id": prompt_id,
        "level": by_judge or by_rule,
        "by_rule": by_rule,
        "by_judge": by_judge,
        "judge": judge_slug,
        "reason": reason,
    }


def _report(rows: Sequence[Mapping[str, Any]]) -> ComplexityReport:
    both = [(row["by_rule"], row["by_judge"]) for row in rows if row["by_judge"]]
    return ComplexityReport(
        levels={str(level): count for level, count in sorted(Counter(row["level"] for row in rows).items())},
        judged=len(both),
        unjudged=dict(sorted(Counter(row["reason"] for row in rows if row["reason"]).items())),
        kappa=agreement_of(both),
    )


def agreement_of(pairs: Sequence[tuple[int, int]]) -> float | None:
    """Return the quadratic-weighted kappa of two graders' levels; None without variation, where it is not defined."""
    if len(set(pairs)) < 2:
        return None
    from sklearn.metrics import cohen_kappa_score  # noqa: PLC0415 - loads slowly

    rule, judged = zip(*pairs, strict=True)
    value = float(cohen_kappa_score(rule, judged, labels=[1, 2, 3, 4, 5], weights="quadratic"))
    return None if math.isnan(value) else value
