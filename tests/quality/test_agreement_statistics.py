"""Kappa and alpha against the packages that others use, and the shuffled figures beside them."""

from __future__ import annotations

import json
import random
from itertools import combinations
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
from dagster_project.quality.agreement import agreement_figures
from dagster_project.quality.retention import filter_annotations
from dagster_project.settings import AgreementPolicy, Settings
from tests.quality.ratings import CAMPAIGN, PARTITION, Ratings, panel, prepared, rubric
from tests.reference_figures import SUMMEVAL

Unit = dict[str, int]
"""The score of one attribute that each annotator gave to one response."""


def agreement(
    ratings: Ratings, scale: pl.DataFrame, *, fixed_slots: bool = True, closed: bool = True, **policy: int
) -> pl.DataFrame:
    rules = AgreementPolicy(**{"shuffles": 1, **policy})
    with Session() as session:
        filter_annotations(prepared(session, ratings, scale), rules, closed=closed)
        return agreement_figures(session, rules, {"campaign": CAMPAIGN, "fixed_slots": fixed_slots})


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


def pooled_kappa(units: list[Unit], labels: list[int]) -> float | None:
    pairs = [pair for unit in units for pair in combinations(unit.values(), 2)]
    return _kappa(pairs + [(y, x) for x, y in pairs], labels)


def slots_kappa(units: list[Unit], labels: list[int]) -> float | None:
    annotators = sorted({name for unit in units for name in unit})
    kappas = [
        _kappa([(unit[one], unit[other]) for unit in units if one in unit and other in unit], labels)
        for one, other in combinations(annotators, 2)
    ]
    defined = [kappa for kappa in kappas if kappa is not None]
    return sum(defined) / len(defined) if defined else None


def _kappa(pairs: list[tuple[int, int]], labels: list[int]) -> float | None:
    if len({score for pair in pairs for score in pair}) < 2:
        return None
    first, second = zip(*pairs, strict=True)
    return float(cohen_kappa_score(first, second, weights="quadratic", labels=labels))


def alpha(units: list[Unit]) -> float | None:
    annotators = sorted({name for unit in units for name in unit})
    pairable = [unit for unit in units if len(unit) > 1]
    if len({score for unit in pairable for score in unit.values()}) < 2:
        return None
    matrix = np.array([[unit.get(name, np.nan) for unit in pairable] for name in annotators])
    return float(krippendorff.alpha(matrix, level_of_measurement="ordinal"))


def assert_as_the_packages_say(ratings: Ratings, scale: pl.DataFrame) -> None:
    figures = agreement(ratings, scale)
    labels = list(range(scale["lowest"][0], scale["highest"][0] + 1))
    for position, attribute in enumerate(scale["attribute"]):
        units = units_of(ratings, position)
        wanted = {
            ("quadratic_kappa", "pooled"): pooled_kappa(units, labels),
            ("quadratic_kappa", "fixed_slots"): slots_kappa(units, labels),
            ("ordinal_alpha", "pooled"): alpha(units),
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


@examples(max_examples=25, deadline=None)
@given(crowds())
def test_kappa_and_alpha_are_those_of_scikit_learn_and_krippendorff(crowd: tuple[Ratings, pl.DataFrame]) -> None:
    ratings, scale = crowd
    if ratings.annotations:
        assert_as_the_packages_say(ratings, scale)


def test_they_agree_on_a_panel_with_unequal_numbers_of_raters() -> None:
    ratings = panel(seed=5, tasks=40, per_task=3)
    ratings.annotations += panel(seed=6, tasks=15, per_task=5).annotations
    seen = {(row["response_id"], row["annotator"]): row for row in ratings.annotations}
    assert_as_the_packages_say(Ratings(list(seen.values()), ratings.tasks), rubric(5))


@pytest.mark.parametrize("file", ["summeval_op.jsonl", "newsroom.jsonl"])
def test_they_agree_on_real_ratings(shared_data: Path, file: str) -> None:
    ratings, names = likert(shared_data / "likert" / file)
    assert_as_the_packages_say(ratings, rubric(len(names), lowest=1, highest=5))


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
    assert figures.height == 4 * (5 * 2 + 2)
    assert figures.group_by("stage").len().sort("stage").rows() == [
        (stage, 12) for stage in ("closest", "collected", "retained", "trusted")
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


def test_shuffling_moves_whole_task_annotations_and_keeps_each_tasks_number() -> None:
    ratings = panel(seed=7, tasks=30).rate("short", "h00", [0, 1, 2, 3, 4]).rate("short", "h01", [0, 0, 0, 0, 0])
    with Session() as session:
        filter_annotations(prepared(session, ratings, rubric(5), ["h02"]), AgreementPolicy(), closed=True)
        session.create("shuffled", "quality/shuffled", {"seed": 1})
        again = session.query("quality/shuffled", {"seed": 1})
        other = session.query("quality/shuffled", {"seed": 2})
        moved = session.connection.sql("from shuffled order by task_id, position, annotator").pl()
        real = session.connection.sql("from retained_annotations order by task_id, position, annotator").pl()
    keys = ["task_id", "response_id", "position", "annotator", "stage"]
    assert moved.select(keys).equals(real.select(keys))
    assert again.sort("task_id", "position", "annotator").equals(moved)
    assert not again.equals(other)
    assert task_annotations(moved) == task_annotations(real)
    assert moved["scores"].to_list() != real["scores"].to_list()
    for rows_left in (pl.col("stage") == "trust", pl.col("task_id") == "short"):
        changed = moved.filter(rows_left)["scores"].to_list()
        assert sorted(changed) == sorted(real.filter(rows_left)["scores"].to_list())


def task_annotations(rows: pl.DataFrame) -> list[tuple[Any, ...]]:
    """What whole task-annotations say, whoever said it of whatever."""
    grouped = rows.sort("position").group_by("task_id", "annotator", maintain_order=True).agg("scores")
    return sorted(tuple(map(tuple, scores)) for scores in grouped["scores"].to_list())


def test_neither_the_order_of_rows_nor_other_names_change_a_figure() -> None:
    ratings = panel(seed=8, tasks=30, per_task=4)
    dice = random.Random(1)
    renamed = [
        row | {"task_id": f"x{row['task_id']}", "response_id": f"x{row['response_id']}"} for row in ratings.annotations
    ]
    others = Ratings(dice.sample(renamed, len(renamed)), {f"x{task}": n for task, n in ratings.tasks.items()})
    real = agreement(ratings, rubric(5)).drop("shuffled")
    assert agreement(others, rubric(5)).drop("shuffled").equals(real)


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


def test_newsroom_gives_the_reference_figures(shared_data: Path, lake: Lake, settings: Settings) -> None:
    figures = measured(lake, settings, shared_data / "likert" / "newsroom.jsonl", "crowd")
    assert round(figure(figures, "quadratic_kappa", attribute="fluency"), 3) == 0.026
    assert round(figure(figures, "ordinal_alpha", attribute="fluency"), 3) == -0.016
