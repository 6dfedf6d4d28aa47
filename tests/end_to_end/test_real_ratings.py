"""The annotation half on public ratings: other attributes, another scale, one response a task, fixed raters."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from dagster_project.lake import Lake
from dagster_project.settings import Settings
from tests.end_to_end.real_sets import as_delivery, as_tasks, configure, read, write_jsonl
from tests.reference_figures import SUMMEVAL

pytestmark = pytest.mark.slow


def taken_through(
    settings: Settings, path: Path, campaign: str, deciding: str
) -> dict[tuple[str, str, str, str], float]:
    """Take a set through all assets of the annotation half; return the agreement figures."""
    from dagster_project.cli.launch import Launcher
    from dagster_project.vendors import close

    rows = read(path)
    tasks = settings.home.root / "imports" / f"{campaign}.jsonl"
    write_jsonl(tasks, as_tasks(rows))
    configure(settings.folder, campaign, tasks, list(rows[0]["ratings"][0]["scores"]), deciding)
    launcher = Launcher(settings)
    launcher.run("tasks", campaign)
    delivery = settings.home.inbox / campaign / "ratings.jsonl"
    write_jsonl(delivery, as_delivery(rows))
    os.utime(delivery, (time.time() - 60,) * 2)
    launcher.run("ratings", campaign)
    lake = Lake(settings.home.lake)
    close(lake, settings, campaign)
    launcher.run("consensus", campaign)
    assert len(lake.read("annotations", {"campaign": campaign})) == 3 * len(rows)
    return {
        (row["stage"], row["attribute"], row["statistic"], row["estimator"]): row["value"]
        for row in lake.read("agreement", {"campaign": campaign}).iter_rows(named=True)
    }


@pytest.fixture
def with_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERWORKS_PSEUDONYM_KEY", "a key for this test only")


@pytest.mark.usefixtures("with_key")
def test_summeval_gives_its_reference_figures(settings: Settings, shared_data: Path) -> None:
    figures = taken_through(settings, shared_data / "likert" / "summeval_op.jsonl", "summeval", "faithfulness")
    for attribute, (kappa, alpha) in SUMMEVAL.items():
        assert figures["collected", attribute, "quadratic_kappa", "fixed_slots"] == pytest.approx(kappa, abs=5e-4)
        assert figures["collected", attribute, "ordinal_alpha", "pooled"] == pytest.approx(alpha, abs=5e-4)


@pytest.mark.usefixtures("with_key")
def test_newsroom_gives_its_reference_figures_and_names_no_model(settings: Settings, shared_data: Path) -> None:
    figures = taken_through(settings, shared_data / "likert" / "newsroom.jsonl", "newsroom", "Fluency")
    # The reference names fixed raters, but .026 is the pooled figure: scikit-learn's mean over the three pairs is .024.
    assert figures["collected", "Fluency", "quadratic_kappa", "pooled"] == pytest.approx(0.026, abs=5e-4)
    assert figures["collected", "Fluency", "quadratic_kappa", "fixed_slots"] == pytest.approx(0.024, abs=5e-4)
    assert figures["collected", "Fluency", "ordinal_alpha", "pooled"] == pytest.approx(-0.016, abs=5e-4)
    models = Lake(settings.home.lake).read("annotation_tasks", {"campaign": "newsroom"})["model"]
    assert models.null_count() == len(models)
