"""What a person sees of agreement in the UI, from a campaign that went through the stage."""

from __future__ import annotations

import base64
import re
from xml.etree import ElementTree

import pytest

from dagster_project.lake import Lake
from dagster_project.quality import judge_annotators, measure_agreement, retain_annotations, show_agreement
from dagster_project.settings import PROJECT_ROOT, Home, Settings
from tests.quality.ratings import CAMPAIGN, PARTITION, panel


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(PROJECT_ROOT / "config", Home(tmp_path_factory.mktemp("shown")))


@pytest.fixture(scope="module")
def lake(settings: Settings) -> Lake:
    return Lake(settings.home.lake)


@pytest.fixture(scope="module")
def shown(lake: Lake, settings: Settings) -> dict[str, str]:
    panel(seed=3, tasks=40, per_task=5).write(lake, settings)
    for step in (judge_annotators, retain_annotations, measure_agreement):
        step(lake, settings, CAMPAIGN)
    return show_agreement(lake, settings, CAMPAIGN)


def images(markdown: str) -> list[ElementTree.Element]:
    """Every image, parsed: what cannot be is no image."""
    return [
        ElementTree.fromstring(base64.b64decode(data))  # noqa: S314 - drawn here
        for data in re.findall(r"!\[[^]]*\]\(data:image/svg\+xml;base64,([^)]+)\)", markdown)
    ]


def words(image: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in image.iter() if element.tag.endswith("text")]


def test_the_table_has_each_figure_beside_its_shuffled_one_and_the_lift(
    shown: dict[str, str], lake: Lake, settings: Settings
) -> None:
    retained = lake.read("agreement", PARTITION).filter(statistic="quadratic_kappa", stage="retained")
    for row in retained.iter_rows(named=True):
        [line] = [line for line in shown["kappa by stage"].splitlines() if line.startswith(f"| {row['attribute']} ")]
        assert f"{row['value']:.3f} ({row['shuffled']:.3f})" in line
        assert f"**{row['lift']:.3f}** ({row['lift_low']:.3f} to {row['lift_high']:.3f})" in line
    assert CAMPAIGN in shown["trend over campaigns"]


def test_plots_have_every_attribute_stage_and_share(shown: dict[str, str], settings: Settings) -> None:
    names = settings.rubric_of(CAMPAIGN).names
    [kappas] = images(shown["kappa, plotted"])
    assert set(names) | {"collected", "trusted", "closest", "retained"} <= set(words(kappas))
    heat_maps = images(shown["disagreement"])
    assert len(heat_maps) == len(names)
    for image in heat_maps:
        shares = [int(word.removesuffix("%")) for word in words(image) if word.endswith("%")]
        assert len(shares) == 25
        assert 90 < sum(shares) < 110
    assert all("5 annotators" in words(image) for image in images(shown["ratings by number of annotators"]))
    [funnel] = images(shown["retention"])
    assert "100.0%" in words(funnel)
    assert "tasks, retained" in words(funnel)


def test_a_campaign_without_figures_shows_nothing(home: Home, settings: Settings) -> None:
    assert show_agreement(Lake(home.lake), settings, CAMPAIGN) == {}
