"""The report: one page, right in its numbers, readable without network."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import sync_playwright

from dagster_project.lake import Lake
from dagster_project.releases import build_release
from dagster_project.releases.report import plots
from dagster_project.settings import Settings
from tests.releases.release_inputs import Fixture, nothing_unmet, rewrite

CHROMIUM = shutil.which("chromium")
LONG = "a-model-whose-name-is-longer-than-any-label-beside-a-plot"


@pytest.fixture(scope="module")
def page(small_release: Path) -> str:
    return (small_release / "home" / "releases" / "v0.1.0" / "report.html").read_text(encoding="utf-8")


def drawings(page: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(drawing) for drawing in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]  # noqa: S314


def tips(page: str) -> list[str]:
    return [tip.text or "" for drawing in drawings(page) for tip in drawing.iter("title")]


def test_the_page_asks_for_nothing_outside_of_itself(page: str) -> None:
    assert not re.search(r"(?:src|href|url\()\s*=?\s*[\"']?(?:https?:)?//", page)
    assert "<script" not in page
    assert "@import" not in page


def test_every_plot_is_there_and_says_what_it_is(page: str) -> None:
    labels = [drawing.attrib["aria-label"] for drawing in drawings(page)]
    for part in ("rating of use", "rating of truth", "rating of tone", "model won", "of a row beat", "Characters of"):
        assert any(part in label for label in labels), part
    for part in ("tenths of the responses", "Correlations", "shuffled ratings", "came how far"):
        assert any(part in label for label in labels), part


def test_distributions_and_wins_are_those_of_the_tables(page: str, small_release: Path) -> None:
    folder = small_release / "home" / "releases" / "v0.1.0"
    data, preference = (
        pl.concat(pl.read_parquet(folder / name / f"{split}.parquet") for split in ("train", "validation"))
        for name in ("data", "preference")
    )
    told = tips(page)
    for model, use, count in data.group_by("model", "use").len().rows():
        total = data.filter(model=model).height
        assert f"{model}, use {use}: {count} of {total} ({count / total:.1%})" in told
    wins = preference.filter((pl.col("preference_strength") > 0) & (pl.col("model_2") == "plain")).height
    losses = preference.height - wins
    ties = data["task_id"].n_unique() - preference.height
    assert any(tip.startswith(f"plain: {wins} wins, {ties} ties, {losses} losses;") for tip in told)
    median = data.filter(model="plain")["response"].str.len_chars().quantile(0.5, "lower")
    assert any(tip.startswith(f"plain, 10 responses: median {median:.0f} characters") for tip in told)


def test_the_funnel_goes_from_prompts_to_rows(page: str) -> None:
    steps = [tip for tip in tips(page) if tip.startswith(("prompts ", "tasks ", "annotations ", "responses "))]
    assert [step.rpartition(" (")[0] for step in steps] == [
        *("prompts delivered: 15", "prompts kept by curation: 14", "prompts selected: 13"),
        *("prompts shown to annotators: 12", "prompts released: 10"),
        *("tasks ordered: 12", "tasks rated: 12", "tasks released: 10"),
        *("annotations merged: 92", "annotations valid: 92", "annotations of trusted annotators: 92"),
        *("annotations kept: 60", "responses shown to annotators: 24", "responses released: 20"),
    ]


def test_names_of_others_are_text_and_no_markup(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    forged = pl.when(pl.col("model") == "warm").then(pl.lit("<script>alert('&')</script>")).otherwise("model")
    rewrite(lake, settings, "annotation_tasks", lake.read("annotation_tasks").with_columns(model=forged))
    page = (build_release(lake, settings, "v0.1.0", nothing_unmet).path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert any("<script>alert('&')</script>" in tip for tip in tips(page))


def test_one_model_alone_is_compared_with_nobody(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    tasks = lake.read("annotation_tasks").with_columns(model=pl.lit("only"))
    rewrite(lake, settings, "annotation_tasks", tasks)
    page = (build_release(lake, settings, "v0.1.0", nothing_unmet).path / "report.html").read_text(encoding="utf-8")
    assert "No two models were compared." in page


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_an_interval_holds_its_share_and_stays_between_none_and_all(trials: int, share: float) -> None:
    successes = round(share * trials * 2) / 2
    low, high = plots.wilson(successes, trials)
    assert 0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1


def test_wilsons_interval_is_that_of_the_books() -> None:
    low, high = plots.wilson(8, 10)
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433)


def wins(models: list[str]) -> list[dict[str, Any]]:
    return [
        {"model": a, "opponent": b, "wins": 12_345, "ties": 1, "losses": 3} for a in models for b in models if a != b
    ]


OUTSIDE = """() => [...document.querySelectorAll('svg')].flatMap(svg => {
    const view = svg.viewBox.baseVal;
    const isOutside = box => box.x < 0 || box.y < -1 || box.x + box.width > view.width + 1
        || box.y + box.height > view.height + 3;
    return [...svg.querySelectorAll('text,rect,circle')]
        .filter(part => isOutside(part.getBBox()))
        .map(part => part.outerHTML + JSON.stringify(['x','y','width','height'].map(n => part.getBBox()[n])));
})"""


@pytest.mark.browser
@pytest.mark.parametrize("models", [2, 30])
def test_nothing_is_drawn_outside_of_its_drawing(models: int, page: str, tmp_path: Path) -> None:
    if CHROMIUM is None:
        pytest.skip("Debian's chromium is not installed")
    names = [f"{LONG}-{number}" for number in range(models)]
    lengths = {"responses": 1_234_567, "p5": 0, "p25": 10, "p50": 99_999, "p75": 100_000, "p95": 123_456}
    pages = [
        plots.overall_win_rates(wins(names)),
        plots.win_matrix(wins(names)),
        plots.lengths([{"model": name, **lengths} for name in names]),
        plots.funnel([{"kind": "prompts", "step": "shown to annotators", "number": 12_345_678}]),
    ]
    style = page[page.index("<style>") : page.index("</style>")]
    (tmp_path / "plots.html").write_text(f"{style}</style>{''.join(pages)}", encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            shown = browser.new_page()
            shown.goto(f"file://{tmp_path / 'plots.html'}")
            outside = shown.evaluate(OUTSIDE)
        finally:
            browser.close()
    assert not outside, outside[:3]


@pytest.mark.browser
def test_a_browser_shows_it_without_network_or_complaint(small_release: Path) -> None:
    if CHROMIUM is None:
        pytest.skip("Debian's chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport={"width": 1180, "height": 900})
            asked: list[str] = []
            complaints: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto(f"file://{small_release / 'home' / 'releases' / 'v0.1.0' / 'report.html'}")
            assert page.locator("h1").inner_text() == "Small set v0.1.0"
            assert page.evaluate("document.documentElement.scrollWidth") <= 1180
            assert (len(asked), complaints) == (1, [])
        finally:
            browser.close()
