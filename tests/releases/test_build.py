"""Building a release, and what happens when its version is there already."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
import yaml

from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake, Session
from dagster_project.releases import (
    build_release,
    due_candidate,
    next_version,
    publication_refusals,
    read_manifest,
    verify,
)
from dagster_project.releases.exporters import FORMATS
from dagster_project.settings import Settings
from tests.releases.release_inputs import ANNOTATORS, Fixture, all_bytes, nothing_unmet, rewrite, write_spec

pytestmark = pytest.mark.slow

SPLITS = ("train", "validation")


def lock_file(settings: Settings, version: str = "v0.1.0") -> Path:
    return settings.folder / "releases" / f"{version}.lock.json"


def deliver_once_more(lake: Lake, settings: Settings) -> None:
    """A further file arrives that says what was said before, and is merged."""
    rows = lake.read("deliveries").with_columns(delivery_id=pl.lit("d-2"))
    fates = rows.select("campaign", "delivery_id", "row_number", fate=pl.lit("duplicate"), rule=pl.lit("said_before"))
    lake.add("deliveries", {"campaign": "small"}, "d-2", rows)
    lake.add("intake", {"campaign": "small"}, "d-2", lake.read("intake").with_columns(delivery_id=pl.lit("d-2")))
    rewrite(lake, settings, "annotation_fates", pl.concat([lake.read("annotation_fates"), fates]))


def test_a_release_holds_the_files_that_the_design_names(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    report = build_release(lake, settings, "v0.1.0", nothing_unmet)
    splits = [f"{name}/{split}.parquet" for name in ("annotations", "data", "preference") for split in SPLITS]
    provenance = [f"provenance/{name}.parquet" for name in ("exclusions", "models", "prompts", "tasks")]
    written = ["CHANGELOG.md", "README.md", "croissant.json", "manifest.json", "report.html"]
    exports = {kind.path(split) for kind in FORMATS for split in SPLITS}
    assert sorted(all_bytes(report.path)) == sorted([*written, *splits, *provenance, *exports])
    assert (report.status, report.tasks, report.simulated) == ("built", 10, False)
    assert report.files == len(all_bytes(report.path))
    assert report.rows["data/train.parquet"] + report.rows["data/validation.parquet"] == 20
    assert [path.name for path in settings.home.releases.iterdir()] == ["v0.1.0"]


def test_two_builds_in_two_homes_are_equal_to_the_byte(
    make_settings: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    releases = []
    for name, threads in (("first", 1), ("elsewhere", 4)):
        monkeypatch.setattr(Session, "__init__", _with_threads(threads))
        settings = make_settings(name)
        lake = Lake(settings.home.lake)
        Fixture(lake, "small", settings, "acme", tasks=40).write()
        releases.append(all_bytes(build_release(lake, settings, "v0.1.0", nothing_unmet).path))
        releases.append({"lock": lock_file(settings).read_bytes()})
    assert releases[:2] == releases[2:]


def _with_threads(threads: int) -> Callable[[Session], None]:
    original = Session.__init__

    def start(self: Session) -> None:
        original(self)
        self.connection.execute(f"set threads = {threads}")

    return start


def test_the_second_build_verifies_and_writes_nothing(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    built = build_release(lake, settings, "v0.1.0", nothing_unmet)
    places = (settings.home.releases, settings.folder)
    before = [(path, path.stat().st_mtime_ns) for place in places for path in sorted(place.rglob("*"))]
    verified = build_release(lake, settings, "v0.1.0", nothing_unmet)
    assert (verified.status, verified.rows, verified.tasks) == ("verified", built.rows, built.tasks)
    assert before == [(path, path.stat().st_mtime_ns) for place in places for path in sorted(place.rglob("*"))]


def test_a_candidate_is_due_until_it_is_built_and_again_when_its_inputs_change(
    small: Fixture, lake: Lake, settings: Settings
) -> None:
    small.write()
    assert due_candidate(lake, settings, "v0.1.0") == "v0.1.0-rc.1"
    build_release(lake, settings, "v0.1.0-rc.1", nothing_unmet)
    assert due_candidate(lake, settings, "v0.1.0") is None
    write_spec(settings, "v0.1.0", name="Another name")
    assert due_candidate(lake, Settings(settings.folder, settings.home), "v0.1.0") == "v0.1.0-rc.2"


def test_a_changed_input_is_named_and_the_next_version_proposed(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    path = build_release(lake, settings, "v0.1.0", nothing_unmet).path
    before = all_bytes(path)
    deliver_once_more(lake, settings)
    with pytest.raises(SteerworksError) as refused:
        build_release(lake, settings, "v0.1.0", nothing_unmet)
    message = str(refused.value)
    assert "new: lake/deliveries/campaign=small/d-2.parquet" in message
    assert "releases/v0.2.0.yaml with `parent: v0.1.0`, and build v0.2.0" in message
    assert all_bytes(path) == before


def test_the_next_version_is_one_that_nobody_has(settings: Settings) -> None:
    (settings.home.releases / "v0.2.0").mkdir(parents=True)
    lock_file(settings, "v0.3.0").write_text("{}", encoding="utf-8")
    (settings.home.releases / "v1.0.0-rc.2").mkdir()
    assert next_version(settings, "v0.1.0") == "v0.4.0"
    assert next_version(settings, "v1.0.0-rc.1") == "v1.0.0-rc.3"


def test_a_candidate_is_described_by_its_base_version(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    report = build_release(lake, settings, "v0.1.0-rc.1", nothing_unmet)
    assert report.path.name == "v0.1.0-rc.1"
    assert lock_file(settings, "v0.1.0-rc.1").exists()


def test_a_release_that_is_lost_is_made_again_with_the_same_bytes(
    small: Fixture, lake: Lake, settings: Settings
) -> None:
    small.write()
    path = build_release(lake, settings, "v0.1.0", nothing_unmet).path
    before = all_bytes(path)
    shutil.rmtree(path)
    assert build_release(lake, settings, "v0.1.0", nothing_unmet).status == "built"
    assert all_bytes(path) == before


def test_a_lost_release_whose_inputs_changed_is_not_made_under_its_version(
    small: Fixture, lake: Lake, settings: Settings
) -> None:
    small.write()
    shutil.rmtree(build_release(lake, settings, "v0.1.0", nothing_unmet).path)
    write_spec(settings, "v0.1.0", seed=2)
    with pytest.raises(SteerworksError, match="changed: release spec") as refused:
        build_release(lake, settings, "v0.1.0", nothing_unmet)
    assert f"delete {lock_file(settings)}" in str(refused.value)
    assert "Restore them" in str(refused.value)
    lock_file(settings).unlink()
    assert build_release(lake, settings, "v0.1.0", nothing_unmet).status == "built"


def test_a_lost_release_that_comes_out_differently_is_not_given_its_version(
    small: Fixture, lake: Lake, settings: Settings
) -> None:
    small.write()
    path = build_release(lake, settings, "v0.1.0", nothing_unmet).path
    shutil.rmtree(path)
    figures = lake.read("agreement").with_columns(pl.col("value") + 0.01)
    rewrite(lake, settings, "agreement", figures)
    with pytest.raises(SteerworksError, match=r"comes out differently now:\n- changed: README.md"):
        build_release(lake, settings, "v0.1.0", nothing_unmet)
    assert not path.exists()


def test_a_lock_that_is_lost_is_written_again(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    build_release(lake, settings, "v0.1.0", nothing_unmet)
    lock = lock_file(settings).read_bytes()
    lock_file(settings).unlink()
    assert build_release(lake, settings, "v0.1.0", nothing_unmet).status == "verified"
    assert lock_file(settings).read_bytes() == lock


def test_a_broken_lock_is_named(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    lock_file(settings).write_text("{", encoding="utf-8")
    with pytest.raises(SteerworksError, match=r"v0\.1\.0\.lock\.json: not the lock of a release"):
        build_release(lake, settings, "v0.1.0", nothing_unmet)


def test_verification_names_each_file_that_is_not_as_it_was(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    path = build_release(lake, settings, "v0.1.0", nothing_unmet).path
    assert verify(path) == []
    changed = path / "data" / "train.parquet"
    content = bytearray(changed.read_bytes())
    content[100] ^= 1
    changed.write_bytes(content)
    (path / "CHANGELOG.md").unlink()
    (path / "notes.txt").write_text("mine", encoding="utf-8")
    problems = verify(path)
    assert [problem.partition(": ")[0] for problem in problems] == [
        str(path / "CHANGELOG.md"),
        str(path / "notes.txt"),
        str(changed),
    ]
    assert problems[2].endswith("the manifest was written for: rows 1 to 16 of 16")
    with pytest.raises(SteerworksError, match=r"data/train\.parquet: its bytes"):
        build_release(lake, settings, "v0.1.0", nothing_unmet)


def test_verification_names_the_rows_that_broke(
    lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dagster_project.releases.row_groups.ROW_GROUP_ROWS", 20)
    Fixture(lake, "small", settings, "acme", tasks=60).write()
    path = build_release(lake, settings, "v0.1.0", nothing_unmet).path
    file = path / "annotations" / "train.parquet"
    groups = next(group for group in read_manifest(path).files if group.path == "annotations/train.parquet").row_groups
    whole = file.read_bytes()
    assert groups
    assert [group.rows for group in groups[:3]] == [20, 20, 20]
    content = bytearray(whole)
    for group in (groups[1], groups[2], groups[4]):
        content[group.offset + group.bytes // 2] ^= 1
    file.write_bytes(content)
    assert ": rows 21 to 60, 81 to 100 of " in verify(path)[0]
    file.write_bytes(whole[:-1])
    assert ": no row, but what lies around them" in verify(path)[0]


def test_a_folder_without_a_manifest_is_no_release(tmp_path: Path) -> None:
    assert "manifest.json: missing" in verify(tmp_path)[0]
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    assert "not the manifest of a release" in verify(tmp_path)[0]


def test_the_manifest_says_what_each_table_holds(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    path = build_release(lake, settings, "v0.1.0", nothing_unmet).path
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["rubric"] == {
        "name": "small",
        "version": "1.0",
        "attributes": ["use", "truth", "tone"],
        "deciding": ["use"],
        "lowest": 1,
        "highest": 5,
    }
    [data] = [file for file in manifest["files"] if file["path"] == "data/train.parquet"]
    table = pq.read_table(path / "data" / "train.parquet", partitioning=None)
    assert data["rows"] == table.num_rows
    assert data["schema"] == {field.name: str(field.type) for field in table.schema}


def test_no_file_names_a_place_on_this_machine_or_the_day(
    small: Fixture, lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    small.write()
    path = build_release(lake, settings, "v0.1.0", nothing_unmet).path
    texts = {name: content for name, content in all_bytes(path).items() if not name.endswith(".parquet")}
    texts["lock"] = lock_file(settings).read_bytes()
    for name in sorted(all_bytes(path).keys() - texts.keys()):
        texts[name] = str(pq.read_table(path / name, partitioning=None).to_pylist()).encode()
        texts[name] += str(pq.read_schema(path / name).metadata).encode()
    for name, content in texts.items():
        assert str(tmp_path).encode() not in content, name
        assert b"/home/" not in content, name
        assert datetime.now(UTC).date().isoformat().encode() not in content, name


@pytest.mark.slow
def test_simulated_ratings_are_called_so_everywhere(starter: Fixture, lake: Lake, settings: Settings) -> None:
    starter.write()
    write_spec(settings, "v0.1.0", campaigns=["starter"])
    report = build_release(lake, settings, "v0.1.0", nothing_unmet)
    manifest = read_manifest(report.path)
    assert report.simulated
    assert (manifest.simulated, manifest.publishable) == (True, False)
    assert "made by a program" in publication_refusals(manifest)[0]
    for split in SPLITS:
        assert all(pl.read_parquet(report.path / "data" / f"{split}.parquet")["simulated"])
        assert all(pl.read_parquet(report.path / "annotations" / f"{split}.parquet")["simulated"])
    card = (report.path / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(card.split("---\n")[1])
    assert "simulated" in front["tags"]
    assert "human-feedback" not in front["tags"]
    assert "> **These ratings are simulated.**" in card
    assert card.count("imulated") >= 5


def test_ratings_by_people_may_be_published(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    manifest = read_manifest(build_release(lake, settings, "v0.1.0", nothing_unmet).path)
    assert manifest.publishable
    assert publication_refusals(manifest) == []


def test_the_changelog_counts_what_changed_since_the_parent(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    first = build_release(lake, settings, "v0.1.0", nothing_unmet).path
    assert "The first release: 20 rated responses." in (first / "CHANGELOG.md").read_text(encoding="utf-8")
    Fixture(lake, "second", settings, "acme", tasks=5).write()
    other = lake.read("consensus", {"campaign": "small"}).with_columns(spreads=pl.lit([0, 0, 0], pl.List(pl.Int8)))
    rewrite(lake, settings, "consensus", other)
    write_spec(settings, "v1.0.0", parent="v0.1.0", campaigns=["small", "second"])
    second = build_release(lake, settings, "v1.0.0", nothing_unmet).path
    text = (second / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "| added | 6 |" in text
    assert "| removed | 0 |" in text
    old, new = (
        pl.concat(pl.read_parquet(path / "data" / f"{split}.parquet") for split in SPLITS).filter(campaign="small")
        for path in (first, second)
    )
    spreads = ["use_spread", "truth_spread", "tone_spread"]
    differ = sum(a != b for a, b in zip(old.select(spreads).rows(), new.select(spreads).rows(), strict=True))
    assert f"| changed | {differ} |" in text
    assert f"| kept | {20 - differ} |" in text
    assert "- column" not in text


def test_a_word_that_is_no_version_is_refused(lake: Lake, settings: Settings) -> None:
    for word in ("../../etc", "1.0.0", "v1.0", "v01.0.0", "v0.1.0\n"):
        with pytest.raises(SteerworksError, match="is no version"):
            build_release(lake, settings, word, nothing_unmet)


def test_annotators_are_in_a_release_as_pseudonyms_only(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    path = build_release(lake, settings, "v0.1.0", nothing_unmet).path
    named = pl.concat(pl.read_parquet(path / "annotations" / f"{split}.parquet") for split in SPLITS)["annotator"]
    assert set(named) == set(ANNOTATORS)
    assert not any(name.encode() in (path / "README.md").read_bytes() for name in ANNOTATORS)
