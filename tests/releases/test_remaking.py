"""An old release is made again, byte for byte, from its lock, whatever came in since."""

from __future__ import annotations

import shutil

import polars as pl
import pytest

from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.releases import build_release
from dagster_project.settings import Settings
from tests.releases.release_inputs import Fixture, all_bytes, deliver, nothing_unmet, process, write_spec

pytestmark = pytest.mark.slow


@pytest.fixture
def rated(lake: Lake, settings: Settings) -> Fixture:
    """A campaign whose tables after the deliveries are made by the real stages."""
    campaign = Fixture(lake, "small", settings, "acme", tasks=40, agreeing=True)
    campaign.write()
    process(lake, settings)
    return campaign


def again(settings: Settings) -> Settings:
    return Settings(settings.folder, settings.home)


def corrected(lake: Lake) -> pl.DataFrame:
    """Corrections by the vendor of a third of the ratings."""
    rows = lake.read("deliveries", {"campaign": "small"}).filter(pl.col("row_number") % 3 == 0)
    other = pl.concat_list(pl.col("scores").list.get(0) % 5 + 1, pl.col("scores").list.slice(1)).cast(pl.List(pl.Int8))
    return rows.with_columns(scores=other, revision=pl.lit(2, pl.Int32))


def test_an_old_version_is_made_again_after_ratings_answers_and_a_policy_came(
    rated: Fixture, lake: Lake, settings: Settings
) -> None:
    path = build_release(lake, settings, "v0.1.0", nothing_unmet).path
    before, lock = all_bytes(path), (settings.folder / "releases" / "v0.1.0.lock.json").read_bytes()
    deliver(lake, corrected(lake), "d-2")
    answers = lake.read("responses", {"model": "plain", "prompt_batch": "small"})
    lake.write("responses", {"model": "plain", "prompt_batch": "small"}, answers.head(-1))
    policy = settings.folder / "agreement.yaml"
    policy.write_text(policy.read_text("utf-8").replace("max_range: 2", "max_range: 3"), encoding="utf-8")
    (settings.folder / "personal_data.yaml").write_text("entities: []\n")
    rules = settings.folder / "licences.yaml"
    rules.write_text(
        rules.read_text("utf-8").replace("weights:", "weights:\n  - {name: plain, kind: permissive}"), "utf-8"
    )
    process(lake, again(settings))
    write_spec(settings, "v1.0.0", parent="v0.1.0")
    newer = build_release(lake, again(settings), "v1.0.0", nothing_unmet).path
    assert all_bytes(newer)["data/train.parquet"] != before["data/train.parquet"]

    shutil.rmtree(path)
    assert build_release(lake, again(settings), "v0.1.0", nothing_unmet).status == "built"
    assert all_bytes(path) == before
    assert (settings.folder / "releases" / "v0.1.0.lock.json").read_bytes() == lock
    assert sorted(found.name for found in settings.home.releases.iterdir()) == ["v0.1.0", "v1.0.0"]


def test_a_release_whose_inputs_are_gone_cannot_be_made_again_and_they_are_named(
    rated: Fixture, lake: Lake, settings: Settings
) -> None:
    shutil.rmtree(build_release(lake, settings, "v0.1.0", nothing_unmet).path)
    shutil.rmtree(lake.root / "kept")
    [delivery] = lake.parts("deliveries", {"campaign": "small"})
    delivery.unlink()
    with pytest.raises(SteerworksError, match=r"gone:\n- lake/deliveries/campaign=small/d-1.parquet with the hash"):
        build_release(lake, settings, "v0.1.0", nothing_unmet)
    assert not list(settings.home.releases.iterdir())
