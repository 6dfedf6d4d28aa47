"""What differs between two releases, why, and which version that asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from dagster_project.cli import command_line
from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.releases import build_release, read_manifest
from dagster_project.releases.difference import difference, folder_of
from dagster_project.releases.steps import Step, step_taken, version_after
from dagster_project.settings import Settings
from tests.releases.conftest import copied
from tests.releases.release_inputs import Fixture, all_bytes, nothing_unmet, rewrite, seal, write_spec

pytestmark = pytest.mark.slow


@pytest.fixture
def first(small_release: Path, settings: Settings) -> Path:
    """v0.1.0 of the small campaign."""
    return copied(small_release, settings)


@pytest.fixture
def build(lake: Lake, settings: Settings) -> Callable[..., Path]:
    """Build a version with v0.1.0 as its parent."""

    def build(version: str, **changes: Any) -> Path:
        write_spec(settings, version, **{"parent": "v0.1.0", **changes})
        return build_release(lake, Settings(settings.folder, settings.home), version, nothing_unmet).path

    return build


def reasons(older: Path, newer: Path, tmp_path: Path) -> dict[tuple[str, str | None], int]:
    folders = [folder_of(path, read_manifest(path)) for path in (older, newer)]
    found = difference(*folders, 3, tmp_path)
    return {(row["change"], row["reason"]): row["rows"] for row in found.counts}


def change_one_score(lake: Lake, settings: Settings, task_id: str = "t-small-05") -> None:
    """One annotator's kept rating changes, and the consensus with it."""
    is_it = (pl.col("task_id") == task_id) & (pl.col("response_id") == task_id.replace("t-", "r1-"))
    other = pl.concat_list(pl.col("scores").list.get(0) % 5 + 1, pl.col("scores").list.slice(1)).cast(pl.List(pl.Int8))
    for table in ("retained_annotations", "consensus"):
        rows = lake.read(table, {"campaign": "small"})
        rewrite(lake, settings, table, rows.with_columns(scores=pl.when(is_it).then(other).otherwise("scores")))


def drop_task(lake: Lake, settings: Settings, task_id: str, reason: str = "disputed") -> None:
    """A task leaves by dispute: its ratings stay as they were given."""
    is_it = (pl.col("task_id") == task_id) & (pl.col("stage") == "kept")
    retained = lake.read("retained_annotations", {"campaign": "small"}).with_columns(
        stage=pl.when(is_it).then(pl.lit("dispute")).otherwise("stage"),
        reason=pl.when(is_it).then(pl.lit(reason)).otherwise("reason"),
    )
    rewrite(lake, settings, "retained_annotations", retained)
    for table in ("consensus", "preferences"):
        rewrite(lake, settings, table, lake.read(table, {"campaign": "small"}).filter(pl.col("task_id") != task_id))


def test_a_new_campaign_is_a_minor_step_and_its_rows_say_so(
    first: Path, build: Callable[..., Path], lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    Fixture(lake, "second", settings, "acme", tasks=5).write()
    with pytest.raises(SteerworksError) as refused:
        build("v0.1.1", campaigns=["small", "second"])
    assert "the parent is v0.1.0, and v0.1.1 is a patch step, where a minor one is due" in str(refused.value)
    assert "`data`, task_id t-second-02, response_id r1-second-02: is new. Call it v0.2.0" in str(refused.value)
    assert not (settings.home.releases / "v0.1.1").exists()
    second = build("v0.2.0", campaigns=["small", "second"])
    assert reasons(first, second, tmp_path) == {("added", "new_campaign"): 6, ("kept", None): 20}
    text = (second / "CHANGELOG.md").read_text("utf-8")
    assert "| added | new_campaign | 6 |" in text
    assert "- campaign `second` is new" in text
    assert "| use | 20 | 26 |" in text


def test_a_new_model_is_named_as_the_reason(
    first: Path, build: Callable[..., Path], lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    Fixture(lake, "second", settings, "acme", tasks=5).write()
    tasks = lake.read("annotation_tasks", {"campaign": "second"})
    renamed = pl.col("model").replace({"warm": "novel"})
    rewrite(lake, settings, "annotation_tasks", tasks.with_columns(model=renamed), "second")
    second = build("v0.2.0", campaigns=["small", "second"])
    assert reasons(first, second, tmp_path) == {
        ("added", "new_campaign"): 3,
        ("added", "new_model"): 3,
        ("kept", None): 20,
    }


def test_new_ratings_are_told_from_another_policy(
    first: Path, build: Callable[..., Path], lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    change_one_score(lake, settings)
    drop_task(lake, settings, "t-small-07")
    with pytest.raises(SteerworksError) as refused:
        build("v0.2.0")
    assert "where a major one is due: `data`, task_id t-small-05, response_id r1-small-05: use" in str(refused.value)
    second = build("v1.0.0")
    assert reasons(first, second, tmp_path) == {
        ("changed", "new_ratings"): 1,
        ("removed", "policy"): 2,
        ("kept", None): 17,
    }


def test_a_row_that_is_gone_asks_for_a_major_step_and_is_named(
    first: Path, build: Callable[..., Path], lake: Lake, settings: Settings
) -> None:
    drop_task(lake, settings, "t-small-07")
    with pytest.raises(SteerworksError, match=r"major one is due: `data`, task_id t-small-07, .*: is gone. Call it v1"):
        build("v0.2.0")


def test_the_same_rows_under_another_name_are_a_patch(first: Path, build: Callable[..., Path], tmp_path: Path) -> None:
    second = build("v0.1.1", name="Small, renamed", licence="cc0-1.0")
    assert reasons(first, second, tmp_path) == {("kept", None): 20}
    assert "- licence: cc-by-4.0 became cc0-1.0" in (second / "CHANGELOG.md").read_text("utf-8")
    before, after = all_bytes(first), all_bytes(second)
    tables = [path for path in before if path.startswith(("data/", "preference/", "annotations/"))]
    assert [path for path in tables if before[path] != after[path]] == []


def test_another_rubric_asks_for_a_major_step(
    first: Path, build: Callable[..., Path], lake: Lake, settings: Settings
) -> None:
    path = settings.folder / "small.yaml"
    rubric = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**rubric, "version": "2.0"}))
    seal(lake, Settings(settings.folder, settings.home), "small")
    with pytest.raises(SteerworksError, match=r"major one is due: the rubric has another version \(1.0 became 2.0\)"):
        build("v0.2.0")


def test_a_version_before_its_parent_is_refused(first: Path, build: Callable[..., Path]) -> None:
    with pytest.raises(SteerworksError, match=r"the parent is v0.1.0, and v0.0.9 does not come after it"):
        build("v0.0.9")


def test_a_candidate_takes_the_step_of_the_version_that_it_stands_for(
    first: Path, build: Callable[..., Path], lake: Lake, settings: Settings
) -> None:
    write_spec(settings, "v0.1.1", parent="v0.1.0")
    drop_task(lake, settings, "t-small-07")
    with pytest.raises(SteerworksError, match="a major one is due"):
        build_release(lake, Settings(settings.folder, settings.home), "v0.1.1-rc.1", nothing_unmet)


def test_diff_says_it_in_the_terminal_and_as_json(
    first: Path, build: Callable[..., Path], lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop_task(lake, settings, "t-small-07")
    build("v1.0.0")
    monkeypatch.setenv("STEERWORKS_HOME", str(settings.home.root))
    monkeypatch.setenv("STEERWORKS_CONFIG", str(settings.folder))
    told = CliRunner().invoke(command_line(), ["diff", "v0.1.0", "v1.0.0", "--json"])
    rows = yaml.safe_load(told.output)["rows"]
    assert [(row["change"], row["reason"], row["response_id"]) for row in rows] == [
        ("removed", "policy", "r1-small-07"),
        ("removed", "policy", "r2-small-07"),
    ]


@pytest.mark.parametrize(
    ("parent", "version", "step"),
    [
        ("v1.2.3", "v1.2.4", Step.PATCH),
        ("v1.2.3", "v1.3.0", Step.MINOR),
        ("v1.2.3", "v2.0.0", Step.MAJOR),
        ("v1.2.3", "v1.2.3-rc.1", Step.NONE),
        ("v1.9.0", "v1.10.0-rc.2", Step.MINOR),
        ("v2.0.0", "v1.9.9", Step.NONE),
    ],
)
def test_steps_are_read_off_two_versions(parent: str, version: str, step: Step) -> None:
    assert step_taken(parent, version) is step
    if step is not Step.NONE:
        assert step_taken(parent, version_after(parent, step)) is step
