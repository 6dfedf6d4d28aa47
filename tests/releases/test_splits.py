"""A prompt's split is that of its cluster, and never changes from one release to the next."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.cli.splits import splits
from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake, Session
from dagster_project.releases import build_release, split_conflicts
from dagster_project.releases.splits import Cluster, Settled, choose_sides, split_of
from dagster_project.settings import Settings
from tests.releases.release_inputs import Fixture, nothing_unmet, write_spec

ids = st.sampled_from([f"p-{number}" for number in range(30)])
clusterings = st.dictionaries(ids, st.builds(Cluster, ids, st.lists(ids, max_size=2).map(tuple)))


@given(st.lists(ids), clusterings)
def test_a_whole_cluster_is_on_one_side_but_for_prompts_that_bridge(prompts: list[str], clusters: dict) -> None:
    sides = choose_sides(prompts, clusters, Settled(), 0.5, 1)
    for prompt, split in sides.splits.iter_rows():
        cluster = clusters.get(prompt, Cluster(prompt))
        assert split == split_of(cluster.first, 0.5, 1)
        linked = {split_of(first, 0.5, 1) for first in (cluster.first, *cluster.touches)}
        assert (prompt in sides.bridging) == (len(linked) > 1)


@given(st.lists(ids), st.lists(ids), clusterings, st.integers(1, 5))
def test_what_is_settled_stays_whatever_comes_or_is_configured_later(
    first: list[str], later: list[str], clusters: dict, seed: int
) -> None:
    before = choose_sides(first, clusters, Settled(), 0.5, 1)
    splits = dict(before.splits.iter_rows())
    settled = Settled(splits, set(splits) - set(before.bridging))
    after = choose_sides([*first, *later], clusters, settled, 0.2, seed)
    assert splits.items() <= dict(after.splits.iter_rows()).items()
    assert not settled.published & set(after.bridging)


def test_a_newcomer_joins_the_side_of_its_settled_cluster() -> None:
    other_side = {"train": "validation", "validation": "train"}[split_of("p-1", 0.5, 1)]
    settled = Settled({"p-1": other_side}, {"p-1"})
    sides = choose_sides(["p-1", "p-2"], {"p-2": Cluster("p-1")}, settled, 0.5, 1)
    assert dict(sides.splits.iter_rows()) == {"p-1": other_side, "p-2": other_side}
    assert sides.bridging == []


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, tuple[str, list[str]]]], None]:
    """Have curation know of clusters."""

    def cluster(known: dict[str, tuple[str, list[str]]]) -> None:
        rows = [
            {"prompt_id": prompt, "cluster": first, "touches": touches} for prompt, (first, touches) in known.items()
        ]
        schema = {"prompt_id": pl.String, "cluster": pl.String, "touches": pl.List(pl.String)}

        def open_clusters(session: Session) -> None:
            session.frame("prompt_clusters_known", pl.DataFrame(rows, schema=schema))

        for module in ("inputs", "split_check"):
            monkeypatch.setattr(f"dagster_project.releases.{module}.open_clusters", open_clusters)

    return cluster


@pytest.mark.slow
def test_prompts_that_would_link_both_sides_are_left_out(
    small: Fixture, lake: Lake, settings: Settings, cluster: Callable[..., None]
) -> None:
    small.write()
    sides = {f"p-small-{number:02}": split_of(f"p-small-{number:02}", 0.3, 1) for number in range(12)}
    trained = next(name for name in sides if sides[name] == "train")
    validating = next(name for name in sides if sides[name] == "validation")
    cluster({"p-small-05": (trained, []), "p-small-07": (trained, [validating])})
    path = build_release(lake, settings, "v0.1.0", nothing_unmet).path
    tasks = {row["task_id"]: row for row in pl.read_parquet(path / "provenance" / "tasks.parquet").to_dicts()}
    assert (tasks["t-small-05"]["published"], tasks["t-small-05"]["split"]) == (True, "train")
    assert (tasks["t-small-07"]["stage"], tasks["t-small-07"]["reason"]) == ("splits", "bridges_splits")
    assert split_conflicts(settings.home, lake) == []


@pytest.mark.slow
def test_a_child_keeps_its_parents_splits_under_another_seed_and_a_stranger_is_refused(
    small: Fixture, lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tasks(path: Path) -> dict[str, str]:
        return dict(pl.read_parquet(path / "provenance" / "tasks.parquet").select("prompt_id", "split").rows())

    small.write()
    first = tasks(build_release(lake, settings, "v0.1.0", nothing_unmet).path)
    write_spec(settings, "v0.1.1", parent="v0.1.0", seed=7, validation_share=0.9)
    assert tasks(build_release(lake, settings, "v0.1.1", nothing_unmet).path) == first
    write_spec(settings, "v0.2.0", seed=7, validation_share=0.9)
    with pytest.raises(
        SteerworksError, match=r"prompt p-small-\d\d is in train in v0.1.\d and in validation in v0.2.0"
    ):
        build_release(lake, settings, "v0.2.0", nothing_unmet)

    monkeypatch.setenv("STEERWORKS_HOME", str(settings.home.root))
    monkeypatch.setenv("STEERWORKS_CONFIG", str(settings.folder))
    splits(check=True)
    elsewhere = Settings(settings.folder, settings.home)
    shutil.move(settings.home.releases, settings.home.root / "aside")
    stranger = build_release(lake, elsewhere, "v0.2.0", nothing_unmet).path
    shutil.move(stranger, settings.home.root / "aside" / "v0.2.0")
    settings.home.releases.rmdir()
    shutil.move(settings.home.root / "aside", settings.home.releases)
    with pytest.raises(SteerworksError, match=r"is in train in v0\.1\.\d and in validation in v0\.2\.0"):
        splits(check=True)
