"""Counts that add up: how often two annotators of a response gave which scores, at each step, real and shuffled.

Every figure of agreement is computed from these counts (`statistics`), so what many campaigns or batches give together
takes only their counts, added. They are whole numbers; nothing is rounded on the way.
Belongs here: which statements make the counts. Does not belong here: what is computed from them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import polars as pl

from dagster_project.lake import Session
from dagster_project.quality.selection import choose_anew
from dagster_project.settings import AgreementPolicy

STEPS = ("collected", "trusted", "closest", "retained")
BUCKETS = 200
REAL = 0
"""Number of the shuffle that is none."""
MOST_ABREAST = 5
MOST_VOTED_LEVELS = 21
"""Levels whose votes, three bits each, fit into 64 bits; with more, no task is counted side by side."""

KEYS = ["shuffle", "stage", "bucket", "attribute", "quantity", "slots", "raters", "first", "second"]


def count_agreement(session: Session, policy: AgreementPolicy, *, fixed_slots: bool) -> pl.DataFrame:
    """Return all counts of ``ballots`` and their ``fates``, one row for each of `KEYS`, with their ``count``.

    Needs ``places``, ``masks``, ``ballot_layout`` and ``rubric`` beside them.
    """
    [levels] = session.query("quality/ballot_layout")["levels"]
    parameters = {
        "most_abreast": MOST_ABREAST if levels <= MOST_VOTED_LEVELS else 0,
        "closest": policy.closest,
    }
    for name in ("rated", "abreast", "crowds", "slots"):
        session.create(name, f"quality/{name}", parameters)
    real = [
        *_pairs(session, REAL, from_step=1),
        *(_slots(session, step) for step in range(1, len(STEPS) + 1) if fixed_slots),
        _sizes(session.query("quality/size_counts"), REAL),
    ]
    shuffled = [
        counts
        for shuffle in range(1, policy.shuffles + 1)
        for counts in _shuffled(session, policy, parameters, shuffle)
    ]
    return _named(session, pl.concat([*real, *shuffled])).sort(KEYS)


def added(counts: list[pl.DataFrame]) -> pl.DataFrame:
    """Return the counts of several campaigns or batches as those of one."""
    return pl.concat(counts).group_by(KEYS).agg(pl.col("count").sum()).sort(KEYS)


def _shuffled(
    session: Session, policy: AgreementPolicy, parameters: dict[str, int], shuffle: int
) -> list[pl.DataFrame]:
    dice = random.Random(f"{policy.seed}|{shuffle}")  # noqa: S311 - seeded, and no secret
    names = ("task_factor", "task_shift", "annotator_factor", "annotator_shift")
    factors = {name: dice.randrange(1, 2**31 - 1) for name in names}
    for name in ("drawn", "dealt", "dealt_abreast"):
        session.create(name, f"quality/{name}", parameters | factors)
    session.create("panels", "quality/dealt_panels", parameters)
    session.create("seats", "quality/dealt_seats")
    choose_anew(session, policy)
    session.create("abreast", "quality/shuffled_abreast")
    session.create("crowds", "quality/shuffled_crowds", parameters)
    sizes = session.query("quality/shuffled_sizes")
    return [*_pairs(session, shuffle, from_step=2), _sizes(sizes, shuffle)]


def _pairs(session: Session, shuffle: int, from_step: int) -> Iterator[pl.DataFrame]:
    for step in range(from_step, len(STEPS) + 1):
        # The last two steps concern the same annotators, whose votes say which of them they pass.
        if step < len(STEPS):
            session.create("votes", "quality/votes", {"step": step})
        counts = session.query("quality/pair_counts", {"step": step})
        yield _keyed(counts.with_columns(quantity=pl.lit("pairs")), shuffle, step)


def _slots(session: Session, step: int) -> pl.DataFrame:
    counts = session.query("quality/slot_counts", {"step": step})
    return _keyed(counts.with_columns(quantity=pl.lit("slots"), raters=pl.lit(2)), REAL, step)


def _sizes(sizes: pl.DataFrame, shuffle: int) -> pl.DataFrame:
    long = sizes.unpivot(
        ["tasks", "annotations"], index=["step", "bucket"], variable_name="quantity", value_name="count"
    )
    return _keyed(long.with_columns(position=pl.lit(0), raters=pl.lit(0), first=pl.lit(0), second=pl.lit(0)), shuffle)


def _keyed(counts: pl.DataFrame, shuffle: int, step: int | None = None) -> pl.DataFrame:
    """Return counts with all their keys, in one shape."""
    known = counts.with_columns(shuffle=pl.lit(shuffle), **({} if step is None else {"step": pl.lit(step)}))
    if "slots" not in known.columns:
        known = known.with_columns(slots=pl.lit(""))
    numbers = ["shuffle", "step", "bucket", "position", "raters", "first", "second"]
    return known.select(
        *(pl.col(name).cast(pl.Int32) for name in numbers), "quantity", "slots", pl.col("count").cast(pl.Int64)
    )


def _named(session: Session, counts: pl.DataFrame) -> pl.DataFrame:
    """Return counts with the words for steps and attributes."""
    attributes = {0: "*", **dict(session.query("quality/attribute_names").iter_rows())}
    return counts.with_columns(
        stage=pl.col("step").replace_strict(dict(enumerate(STEPS, 1)), return_dtype=pl.String),
        attribute=pl.col("position").replace_strict(attributes, return_dtype=pl.String),
    ).select(*KEYS, "count")
