"""Kappa and alpha against the packages that others use, and the shuffled figures beside them."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from itertools import combinations, product
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from dagster_project.lake import Lake, Session
from dagster_project.quality import judge_annotators, measure_agreement, retain_annotations
from dagster_project.quality.agreement import counts_of_retained, figures_from
from dagster_project.quality.ballots import number_ratings
from dagster_project.quality.counts import KEYS, REAL, added, count_agreement
from dagster_project.quality.retention import decide_fates, filter_annotations
from dagster_project.quality.shuffling import Deck
from dagster_project.settings import AgreementPolicy, Settings
from tests.quality.ratings import CAMPAIGN, PARTITION, Ratings, panel, prepared, rubric
from tests.reference_figures import AC2_AND_ICC, SUMMEVAL

Unit = dict[str, int]
"""The score of one attribute that each annotator gave to one response."""


def agreement(
    ratings: Ratings, scale: pl.DataFrame, *, fixed_slots: bool = True, closed: bool = True, **policy: Any
) -> pl.DataFrame:
    rules = AgreementPolicy(**{"shuffles": 1, "bootstrap_samples": 0, **policy})
    with Session() as session:
        filter_annotations(prepared(session, ratings, scale), rules, closed=closed)
        counts = counts_of_retained(session, rules, fixed_slots=fixed_slots)
    return figures_from(counts, scale, rules, fixed_slots=fixed_slots)


def figure(
    figures: pl.DataFrame,
    statistic: str,
    estimator: str = "pooled",
    stage: str = "collected",
    attribute: str = "a1",
    column: str = "value",
) -> Any:
    return figures.filter(stage=stage, attribute=attribute, statistic=statistic, estimator=estimator)[column].item()


def units_of(ratings: Ratings, position: int) -> list[Unit]:
    units: dict[str, Unit] = {}
    for row in ratings.annotations:
        if row["scores"][position] is not None:
            units.setdefault(row["response_id"], {})[row["annotator"]] = row["scores"][position]
    return list(units.values())


def pooled_kappa(units: list[Unit], labels: list[int], weights: str = "quadratic") -> float | None:
    pairs = all_pairs(units)
    return _kappa(pairs + [(y, x) for x, y in pairs], labels, weights)


def all_pairs(units: list[Unit]) -> list[tuple[int, int]]:
    return [pair for unit in units for pair in combinations(unit.values(), 2)]


def slots_kappa(units: list[Unit], labels: list[int], weights: str = "quadratic") -> float | None:
    annotators = sorted({name for unit in units for name in unit})
    kappas = [
        _kappa([(unit[one], unit[other]) for unit in units if one in unit and other in unit], labels, weights)
        for one, other in combinations(annotators, 2)
    ]
    defined = [kappa for kappa in kappas if kappa is not None]
    return sum(defined) / len(defined) if defined else None


def _kappa(pairs: list[tuple[int, int]], labels: list[int], weights: str) -> float | None:
    if len({score for pair in pairs for score in pair}) < 2:
        return None
    first, second = zip(*pairs, strict=True)
    return float(cohen_kappa_score(first, second, weights=weights, labels=labels))


def alpha(units: list[Unit], level: str = "ordinal") -> float | None:
    annotators = sorted({name for unit in units for name in unit})
    pairable = [unit for unit in units if len(unit) > 1]
    if len({score for unit in pairable for score in unit.values()}) < 2:
        return None
    matrix = np.array([[unit.get(name, np.nan) for unit in pairable] for name in annotators])
    return float(krippendorff.alpha(matrix, level_of_measurement=level))


def ac2(units: list[Unit], labels: list[int]) -> float | None:
    """Response by response, as Gwet 2014 writes it; the packages that have it do not install beside the others."""
    rated = [unit for unit in units if unit]
    table = np.array([[list(unit.values()).count(label) for label in labels] for unit in rated], dtype=float)
    if not rated or not (table.sum(axis=1) > 1).any():
        return None
    q = len(labels)
    weights = np.array([[1 - (k - l) ** 2 / (q - 1) ** 2 for l in range(q)] for k in range(q)])  # noqa: E741
    raters = table.sum(axis=1)
    weighted = (table * (table @ weights - 1)).sum(axis=1)
    observed = (weighted[raters > 1] / (raters * (raters - 1))[raters > 1]).mean()
    share = (table / raters[:, None]).mean(axis=0)
    expected = weights.sum() / (q * (q - 1)) * (share * (1 - share)).sum()
    return float((observed - expected) / (1 - expected)) if expected != 1 else None


def one_way_icc(units: list[Unit]) -> float | None:
    """Analysis of variance, response by response: Shrout and Fleiss 1979, with Donner's 1986 mean number of raters."""
    groups = [np.array(list(unit.values()), dtype=float) for unit in units if len(unit) > 1]
    if len(groups) < 2:
        return None
    scores, sizes = np.concatenate(groups), np.array([len(group) for group in groups], dtype=float)
    between = sum(len(group) * (group.mean() - scores.mean()) ** 2 for group in groups) / (len(groups) - 1)
    within = sum(((group - group.mean()) ** 2).sum() for group in groups) / (len(scores) - len(groups))
    size = (len(scores) - (sizes**2).sum() / len(scores)) / (len(groups) - 1)
    divisor = between + (size - 1) * within
    return float((between - within) / divisor) if divisor > 1e-12 else None


def two_way_icc(units: list[Unit]) -> float | None:
    """ICC(2,1) by an analysis of variance on the whole matrix: Shrout and Fleiss 1979."""
    names = sorted({name for unit in units for name in unit})
    matrix = np.array([[unit[name] for name in names] for unit in units], dtype=float)
    n, k = matrix.shape
    rows = k * ((matrix.mean(axis=1) - matrix.mean()) ** 2).sum() / (n - 1)
    columns = n * ((matrix.mean(axis=0) - matrix.mean()) ** 2).sum() / (k - 1)
    left = matrix - matrix.mean(axis=1, keepdims=True) - matrix.mean(axis=0) + matrix.mean()
    error = (left**2).sum() / ((n - 1) * (k - 1))
    return float((rows - error) / (rows + (k - 1) * error + k * (columns - error) / n))


def share_within(units: list[Unit], steps: int) -> float | None:
    near = [abs(x - y) <= steps for x, y in all_pairs(units)]
    return sum(near) / len(near) if near else None


def assert_as_the_packages_say(ratings: Ratings, scale: pl.DataFrame) -> None:
    figures = agreement(ratings, scale)
    labels = list(range(scale["lowest"][0], scale["highest"][0] + 1))
    for position, attribute in enumerate(scale["attribute"]):
        units = units_of(ratings, position)
        wanted = {
            ("quadratic_kappa", "pooled"): pooled_kappa(units, labels),
            ("quadratic_kappa", "fixed_slots"): slots_kappa(units, labels),
            ("linear_kappa", "pooled"): pooled_kappa(units, labels, "linear"),
            ("linear_kappa", "fixed_slots"): slots_kappa(units, labels, "linear"),
            **{(f"{level}_alpha", "pooled"): alpha(units, level) for level in ("nominal", "ordinal", "interval")},
            ("gwet_ac2", "pooled"): ac2(units, labels),
            ("icc", "pooled"): one_way_icc(units),
            ("exact_agreement", "pooled"): share_within(units, 0),
            ("within_one_agreement", "pooled"): share_within(units, 1),
        }
        for (statistic, estimator), value in wanted.items():
            found = figure(figures, statistic, estimator, attribute=attribute)
            assert found == (None if value is None else pytest.approx(value, abs=1e-9)), (statistic, estimator)
        assert figure(figures, "ordinal_alpha", attribute=attribute, column="units") == sum(len(u) > 1 for u in units)
        pairs = sum(len(unit) * (len(unit) - 1) // 2 for unit in units)
        assert figure(figures, "quadratic_kappa", attribute=attribute, column="pairs") == pairs


@st.composite
def crowds(draw: st.DrawFn) -> tuple[Ratings, pl.DataFrame]:
    lowest = draw(st.sampled_from([-3, 0, 1]))
    score = st.one_of(*[st.integers(lowest, lowest + 4)] * 5, st.none())
    task = st.dictionaries(st.sampled_from("abcdef"), st.tuples(score, score), max_size=6)
    ratings = Ratings()
    for number, annotators in enumerate(draw(st.lists(task, min_size=1, max_size=8))):
        for annotator, scores in annotators.items():
            ratings.rate(str(number), annotator, scores)
    return ratings, rubric(2, lowest=lowest, highest=lowest + 4)


@pytest.mark.slow
@examples(max_examples=25)
@given(crowds())
def test_kappa_and_alpha_are_those_of_scikit_learn_and_krippendorff(crowd: tuple[Ratings, pl.DataFrame]) -> None:
    ratings, scale = crowd
    if ratings.annotations:
        assert_as_the_packages_say(ratings, scale)


@pytest.mark.slow
def test_they_agree_on_a_panel_with_unequal_numbers_of_raters() -> None:
    ratings = panel(seed=5, tasks=40, per_task=3)
    ratings.annotations += panel(seed=6, tasks=15, per_task=5).annotations
    seen = {(row["response_id"], row["annotator"]): row for row in ratings.annotations}
    assert_as_the_packages_say(Ratings(list(seen.values()), ratings.tasks), rubric(5))


@pytest.mark.parametrize("file", ["summeval_op.jsonl", "newsroom.jsonl"])
def test_they_agree_on_real_ratings(shared_data: Path, file: str) -> None:
    ratings, names = likert(shared_data / "likert" / file)
    assert_as_the_packages_say(ratings, rubric(len(names), lowest=1, highest=5))


@pytest.mark.parametrize("file", ["summeval_op.jsonl", "newsroom.jsonl"])
def test_ac2_and_icc_of_real_ratings_are_those_of_irrcac_and_pingouin(shared_data: Path, file: str) -> None:
    ratings, names = likert(shared_data / "likert" / file)
    figures = agreement(ratings, rubric(len(names), lowest=1, highest=5), fixed_slots=False)
    for position, name in enumerate(names, start=1):
        found = tuple(figure(figures, statistic, attribute=f"a{position}") for statistic in ("gwet_ac2", "icc"))
        assert found == pytest.approx(AC2_AND_ICC[file][name], abs=1e-9)


def test_the_icc_of_fixed_raters_is_that_of_a_two_way_analysis_of_variance(shared_data: Path) -> None:
    ratings, names = likert(shared_data / "likert" / "summeval_op.jsonl")
    figures = agreement(ratings, rubric(len(names), lowest=1, highest=5))
    for position in range(len(names)):
        found = figure(figures, "icc", "fixed_slots", attribute=f"a{position + 1}")
        assert found == pytest.approx(two_way_icc(units_of(ratings, position)), abs=1e-9)
    some = Ratings(ratings.annotations[1:], ratings.tasks)
    assert figure(agreement(some, rubric(len(names), lowest=1, highest=5)), "icc", "fixed_slots") is None


def test_without_variation_or_without_pairs_the_figures_are_null() -> None:
    alike = Ratings().rate("t", "a", [2, 1]).rate("t", "b", [2, 1]).rate("t", "c", [2, 1])
    alone = Ratings().rate("t", "a", [2, 1]).rate("u", "b", [3, 1])
    for ratings, units in ((alike, 1), (alone, 0)):
        figures = agreement(ratings, rubric())
        assert figure(figures, "quadratic_kappa") is None
        assert figure(figures, "quadratic_kappa", "fixed_slots") is None
        assert figure(figures, "ordinal_alpha") is None
        assert figure(figures, "ordinal_alpha", column="units") == units


def test_every_stage_has_every_figure_and_only_fixed_slots_have_their_estimator() -> None:
    figures = agreement(panel(seed=1, tasks=12), rubric(5), fixed_slots=False)
    assert figures.height == 4 * (5 * 9 + 2)
    assert figures.group_by("stage").len().sort("stage").rows() == [
        (stage, 47) for stage in ("closest", "collected", "retained", "trusted")
    ]
    assert "fixed_slots" not in figures["estimator"].to_list()


def test_retention_is_the_share_of_what_was_collected() -> None:
    ratings = Ratings()
    for task, third in {"agree": 3, "split": 0}.items():
        for annotator, score in {"a": 3, "b": 4, "c": third, "d": third}.items():
            ratings.rate(task, annotator, [score, 1])
    figures = agreement(ratings, rubric(), fixed_slots=False)
    share = {stage: figure(figures, "task_retention", "none", stage, "*") for stage in ("closest", "retained")}
    assert share == {"closest": 1.0, "retained": 0.5}
    assert figure(figures, "annotation_retention", "none", "closest", "*") == 6 / 8
    assert figure(figures, "annotation_retention", "none", "retained", "*") == 3 / 8
    assert figure(figures, "annotation_retention", "none", "retained", "*", "units") == 8
    assert figure(figures, "task_retention", "none", "retained", "*", "units") == 2


def test_a_task_that_awaits_its_top_up_is_among_the_trusted_but_not_the_closest() -> None:
    ratings = panel(seed=2, tasks=10).rate("waiting", "h00", [1] * 5, [1] * 5)
    figures = agreement(ratings, rubric(5), closed=False, max_range=4)
    assert figure(figures, "task_retention", "none", "trusted", "*") == 1.0
    assert figure(figures, "task_retention", "none", "closest", "*") == 10 / 11


def test_tasks_of_many_annotators_count_as_those_of_few_do() -> None:
    ratings = panel(seed=9, tasks=12, annotators=9, per_task=4)
    ratings.annotations += panel(seed=10, tasks=5, annotators=9, per_task=8).annotations
    seen = {(row["response_id"], row["annotator"]): row for row in ratings.annotations}
    assert_as_the_packages_say(Ratings(list(seen.values()), ratings.tasks), rubric(5))


def test_a_scale_of_a_hundred_levels_will_do() -> None:
    assert_as_the_packages_say(panel(seed=9, tasks=6, annotators=6, attributes=1), rubric(1, lowest=-40, highest=60))


@pytest.mark.slow
def test_counts_of_parts_add_up_to_the_counts_of_the_whole_and_so_do_all_figures() -> None:
    scale, rules = rubric(5), AgreementPolicy(shuffles=1, bootstrap_samples=20)
    whole = panel(seed=11, tasks=60, per_task=5)
    parts = [
        Ratings([row for row in whole.annotations if int(row["task_id"][1:]) % 3 == part], {}) for part in range(3)
    ]
    for part in parts:
        part.tasks = {row["task_id"]: 2 for row in part.annotations}

    def counted(ratings: Ratings) -> pl.DataFrame:
        with Session() as session:
            filter_annotations(prepared(session, ratings, scale), rules, closed=True)
            return counts_of_retained(session, rules, fixed_slots=True).filter(shuffle=REAL)

    together = added([counted(part) for part in parts])
    assert together.sort(KEYS).equals(counted(whole).sort(KEYS))
    figures = [figures_from(counts, scale, rules, fixed_slots=True) for counts in (together, counted(whole))]
    assert figures[0].equals(figures[1])


def test_the_interval_holds_the_figure_and_the_lift_is_what_lies_above_the_shuffled_one() -> None:
    figures = agreement(crowd_of_five(), rubric(5), fixed_slots=False, shuffles=2, bootstrap_samples=200)
    kappas = figures.filter(statistic="quadratic_kappa", stage="retained")
    for row in kappas.iter_rows(named=True):
        assert row["low"] < row["value"] < row["high"]
        assert row["shuffled_low"] < row["shuffled"] < row["shuffled_high"]
        assert row["lift"] == pytest.approx(row["value"] - row["shuffled"])
        assert 0 < row["lift_low"] < row["lift"] < row["lift_high"]
    again = agreement(crowd_of_five(), rubric(5), fixed_slots=False, shuffles=2, bootstrap_samples=200)
    assert again.equals(figures)


def test_a_skewed_attribute_is_warned_of() -> None:
    ratings = Ratings()
    for number in range(60):
        third = 3 if number % 12 else 0
        for annotator, score in {"a": 4, "b": 4, "c": third if number % 6 == 0 else 4}.items():
            ratings.rate(f"t{number}", annotator, [score, number % 5])
    figures = agreement(ratings, rubric(), fixed_slots=False, max_range=4)
    assert "kappa paradox" in figure(figures, "quadratic_kappa", column="warning")
    assert figure(figures, "quadratic_kappa", attribute="a2", column="warning") is None


def crowd_of_five(seed: int = 4) -> Ratings:
    return panel(seed, tasks=150, annotators=20, per_task=5)


def test_selection_raises_the_shuffled_figure_but_trust_alone_does_not() -> None:
    figures = agreement(crowd_of_five(), rubric(5), fixed_slots=False, shuffles=3)

    def shuffled(stage: str) -> float:
        return float(figure(figures, "quadratic_kappa", stage=stage, column="shuffled"))

    assert abs(shuffled("trusted")) < 0.06
    assert shuffled("closest") > 0.25
    assert shuffled("retained") > shuffled("closest")
    assert shuffled("retained") < figure(figures, "quadratic_kappa", stage="retained")
    assert figure(figures, "quadratic_kappa", stage="collected", column="shuffled") is None
    retention = figures.filter(stage="retained", statistic="task_retention")
    assert retention["shuffled"].item() < retention["value"].item()


def test_shuffling_moves_whole_task_annotations_among_tasks_with_as_many_responses() -> None:
    ratings = panel(seed=7, tasks=30).rate("short", "h00", [0, 1, 2, 3, 4]).rate("short", "h01", [0, 0, 0, 0, 0])
    with Session() as session:
        prepared(session, ratings, rubric(5), ["h02"])
        filtered = decide_fates(session, AgreementPolicy(), closed=True)
    ballots, trusted = filtered.ballots, filtered.steps.max(axis=0) >= 2
    deck = Deck(ballots, trusted)
    source, again, other = deck.dealt(1, 1), deck.dealt(1, 1), deck.dealt(1, 2)
    assert source.tolist() == again.tolist() != other.tolist()
    assert sorted(source) == list(range(len(source)))
    untrusted = np.flatnonzero(~trusted)
    assert len(untrusted) > 0
    assert source[untrusted].tolist() == untrusted.tolist()
    assert (ballots.present[:, source] == ballots.present).all()
    assert (source != np.arange(len(source))).mean() > 0.6
    dealt = Counter(
        tuple(sorted(int(ballots.scores[response, 0, source[seat]]) for seat in pair))
        for response in range(2)
        for pair in combinations(np.flatnonzero(trusted).tolist(), 2)
        if ballots.task[pair[0]] == ballots.task[pair[1]] and ballots.present[response, list(pair)].all()
    )
    counts = count_agreement(filtered, AgreementPolicy(shuffles=1, seed=1)).filter(shuffle=1, stage="trusted")
    pairs = counts.filter(pl.col("raters") > 1, attribute="a1").group_by("first", "second").agg(pl.col("count").sum())
    assert {(first, second): count for first, second, count in pairs.iter_rows()} == dealt


def test_ratings_are_dealt_within_their_vendor() -> None:
    ratings = panel(seed=7, tasks=30)
    models = {"h00", "h01"}
    of_two = Ratings(
        [row | {"vendor": "judges" if row["annotator"] in models else "people"} for row in ratings.annotations],
        ratings.tasks,
    )
    with Session() as session:
        prepared(session, of_two, rubric(5))
        ballots = decide_fates(session, AgreementPolicy(), closed=True).ballots
    source = Deck(ballots, np.ones(len(ballots.task), bool)).dealt(1, 1)
    assert set(ballots.vendor.tolist()) == {0, 1}
    assert (ballots.vendor[source] == ballots.vendor).all()
    assert (source != np.arange(len(source))).mean() > 0.6


def test_what_is_drawn_by_chance_hangs_on_the_md5_of_ids_and_so_is_the_same_everywhere() -> None:
    tasks, annotators = ["t", "tâche", "задача 7"], ["a-1", "b"]
    ratings = Ratings()
    for task, annotator in product(tasks, annotators):
        ratings.rate(task, annotator, [1, 2])
    with Session() as session:
        number_ratings(prepared(session, ratings, rubric(2)))
        of_tasks, of_annotators = (session.query(f"quality/{name}_keys")["key"] for name in ("task", "annotator"))
    for ids, keys in ((tasks, of_tasks), (annotators, of_annotators)):
        hashes = [hashlib.md5(name.encode(), usedforsecurity=False).digest() for name in sorted(ids)]
        assert keys.to_list() == [int.from_bytes(digest[8:], "little") for digest in hashes]


def test_neither_the_order_of_rows_nor_other_names_change_a_figure() -> None:
    ratings = panel(seed=8, tasks=30, per_task=4)
    dice = random.Random(1)
    renamed = [
        row | {"task_id": f"x{row['task_id']}", "response_id": f"x{row['response_id']}"} for row in ratings.annotations
    ]
    others = Ratings(dice.sample(renamed, len(renamed)), {f"x{task}": n for task, n in ratings.tasks.items()})
    real = agreement(ratings, rubric(5)).drop("shuffled", "lift")
    assert agreement(others, rubric(5)).drop("shuffled", "lift").equals(real)


def likert(path: Path) -> tuple[Ratings, list[str]]:
    """One task a row, its response, and three annotators; attributes in the order of the first row."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    names = list(rows[0]["ratings"][0]["scores"])
    ratings = Ratings()
    for row in rows:
        for rating in row["ratings"]:
            ratings.rate(row["item_id"], rating["annotator"], [rating["scores"][name] for name in names])
    return ratings, names


def measured(lake: Lake, settings: Settings, data: Path, slots: str) -> pl.DataFrame:
    """The stage as it runs, on a real set under a rubric and a vendor of its own."""
    ratings, names = likert(data)
    attributes = [{"name": name.lower(), "description": name} for name in names]
    attributes[0]["decides"] = True
    scale = {"name": "real", "version": "1", "scale": {"lowest": 1, "highest": 5}, "attributes": attributes}
    (settings.folder / "rubric.yaml").write_text(json.dumps(scale))
    vendor = {"kind": "simulated", "licence": "MIT", "slots": slots}
    (settings.folder / "vendors.yaml").write_text(json.dumps({"vendors": {"simulated": vendor}}))
    ratings.write(lake, settings)
    judge_annotators(lake, settings, CAMPAIGN)
    retain_annotations(lake, settings, CAMPAIGN)
    measure_agreement(lake, settings, CAMPAIGN)
    return lake.read("agreement", PARTITION)


@pytest.mark.slow
def test_summeval_gives_the_reference_figures(shared_data: Path, lake: Lake, settings: Settings) -> None:
    figures = measured(lake, settings, shared_data / "likert" / "summeval_op.jsonl", "fixed")
    found = {
        name: (
            round(figure(figures, "quadratic_kappa", "fixed_slots", attribute=name), 3),
            round(figure(figures, "ordinal_alpha", attribute=name), 3),
        )
        for name in SUMMEVAL
    }
    assert found == SUMMEVAL
    assert lake.read("annotator_quality", PARTITION)["trusted"].all()


@pytest.mark.slow
def test_newsroom_gives_the_reference_figures(shared_data: Path, lake: Lake, settings: Settings) -> None:
    figures = measured(lake, settings, shared_data / "likert" / "newsroom.jsonl", "crowd")
    assert round(figure(figures, "quadratic_kappa", attribute="fluency"), 3) == 0.026
    assert round(figure(figures, "ordinal_alpha", attribute="fluency"), 3) == -0.016
