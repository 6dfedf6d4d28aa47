"""Publishing with the real client to a Hub on loopback, whatever goes wrong on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
import yaml

from dagster_project.errors import SteerworksError
from dagster_project.identity import file_sha256
from dagster_project.lake import Lake
from dagster_project.loopback.hub import LoopbackHub, serve_hub
from dagster_project.loopback.hub_store import Blob
from dagster_project.quality.expectations import check_partition, load_suites
from dagster_project.releases import Unmet, build_release
from dagster_project.releases.inputs import READ_TABLES, find_inputs
from dagster_project.releases.publishing import Published, publish_release
from dagster_project.settings import PROJECT_ROOT, Home, Settings
from dagster_project.whole_files import write_json
from tests.releases.release_inputs import Fixture, all_bytes, nothing_unmet, rewrite, write_spec

pytestmark = pytest.mark.slow

TOKEN = "hf_notForAnybodysEyes"  # noqa: S105 - of the Hub on loopback
REPOSITORY = "somebody/small-set"
IMPATIENT = (0.01,) * 4


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client does without the network's other stores, which the Hub on loopback has not."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with serve_hub(TOKEN) as server:
        yield server


@pytest.fixture
def settings(small_release: Path, tmp_path: Path) -> Settings:
    """An installation that has the release v0.1.0."""
    shutil.copytree(small_release, tmp_path / "one")
    return Settings(tmp_path / "one" / "config", Home(tmp_path / "one" / "home"))


@pytest.fixture
def release(settings: Settings) -> Path:
    return settings.home.releases / "v0.1.0"


def target(settings: Settings, hub: LoopbackHub, **changes: Any) -> Settings:
    fields = {"repository": REPOSITORY, "endpoint": hub.address, **changes}
    (settings.folder / "publishing.yaml").write_text(yaml.safe_dump(fields), encoding="utf-8")
    return Settings(settings.folder, settings.home)


def publish(
    lake: Lake, settings: Settings, hub: LoopbackHub, version: str = "v0.1.0", unmet: Unmet = nothing_unmet, **to: Any
) -> Published:
    return publish_release(lake, target(settings, hub, **to), version, unmet, IMPATIENT)


def refusal(lake: Lake, settings: Settings, hub: LoopbackHub, unmet: Unmet = nothing_unmet, **to: Any) -> str:
    with pytest.raises(SteerworksError) as refused:
        publish(lake, settings, hub, unmet=unmet, **to)
    assert TOKEN not in str(refused.value)
    return str(refused.value)


def holds(hub: LoopbackHub, revision: str) -> dict[str, bytes]:
    """What a revision of the repository holds, but for the file that the Hub itself puts there."""
    repository = hub.repositories[REPOSITORY]
    tree = repository.commits[repository.resolve(revision) or ""]
    return {path: blob.content for path, blob in tree.items() if path != ".gitattributes"}


def test_a_release_becomes_one_commit_and_one_tag_in_a_private_repository(
    release: Path, lake: Lake, settings: Settings, hub: LoopbackHub
) -> None:
    published = publish(lake, settings, hub)
    repository = hub.repositories[REPOSITORY]
    assert repository.private
    assert repository.messages == ["initial", "Small set v0.1.0"]
    assert repository.tags == {"v0.1.0": published.commit}
    assert repository.branches == {"main": published.commit}
    assert holds(hub, "v0.1.0") == all_bytes(release)
    assert published.files == len(all_bytes(release))
    assert (published.status, published.private) == ("published", True)
    assert published.address == f"{hub.address}/datasets/{REPOSITORY}/tree/v0.1.0"


def test_published_again_it_sends_nothing(release: Path, lake: Lake, settings: Settings, hub: LoopbackHub) -> None:
    first = publish(lake, settings, hub)
    hub.requests.clear()
    again = publish(lake, settings, hub)
    assert (again.status, again.commit) == ("was there", first.commit)
    assert set(hub.requests) == {"info", "refs", "tree"}


def test_a_tag_that_holds_other_bytes_is_an_error(
    release: Path, lake: Lake, settings: Settings, hub: LoopbackHub
) -> None:
    publish(lake, settings, hub)
    repository = hub.repositories[REPOSITORY]
    tree = {**repository.commits[repository.tags["v0.1.0"]], "CHANGELOG.md": Blob(b"other", is_large=False)}
    repository.tags["v0.1.0"] = repository.commit("main", tree, "somebody else's")
    before = dict(repository.branches), dict(repository.tags)
    message = refusal(lake, settings, hub)
    assert "has the tag v0.1.0 already, and it holds other bytes" in message
    assert "CHANGELOG.md" in message
    assert (repository.branches, repository.tags) == before


def test_main_holds_the_latest_version_and_nothing_of_the_one_before(
    release: Path, lake: Lake, settings: Settings, hub: LoopbackHub
) -> None:
    first = publish(lake, settings, hub)
    write_spec(settings, "v0.2.0", exports=["pairs"])
    newer = build_release(lake, settings, "v0.2.0", nothing_unmet).path
    second = publish(lake, settings, hub, "v0.2.0")
    repository = hub.repositories[REPOSITORY]
    assert holds(hub, "main") == holds(hub, "v0.2.0") == all_bytes(newer)
    assert holds(hub, "v0.1.0") == all_bytes(release)
    assert repository.tags == {"v0.1.0": first.commit, "v0.2.0": second.commit}


def test_a_candidate_and_a_late_patch_leave_main_alone(
    release: Path, lake: Lake, settings: Settings, hub: LoopbackHub
) -> None:
    main = publish(lake, settings, hub).commit
    for version, spec in (("v0.1.0-rc.1", {}), ("v0.0.9", {"seed": 2})):
        if spec:
            write_spec(settings, version, **spec)
        built = build_release(lake, settings, version, nothing_unmet).path
        publish(lake, settings, hub, version)
        assert holds(hub, version) == holds(hub, f"releases/{version}") == all_bytes(built)
        assert hub.repositories[REPOSITORY].branches["main"] == main


@pytest.mark.parametrize(
    "fault",
    [
        *("create 500", "create lost", "info 429 2", "refs cut", "tree 500", "validate 500", "preupload 429"),
        *("batch cut", "upload cut 2", "upload 500", "verify 429", "commit 429", "commit 500 2", "commit cut"),
        *("commit lost", "tag 500", "tag cut", "tag lost"),
    ],
)
def test_after_any_fault_there_is_one_commit_and_one_tag(
    release: Path, lake: Lake, settings: Settings, hub: LoopbackHub, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    hub.misbehave(fault)
    published = publish(lake, settings, hub)
    assert not any(hub.faults.values()), "the fault was met"
    repository = hub.repositories[REPOSITORY]
    assert repository.messages == ["initial", "Small set v0.1.0"]
    assert repository.tags == {"v0.1.0": published.commit}
    assert holds(hub, "v0.1.0") == all_bytes(release)


def test_a_hub_that_stays_away_leaves_no_half_release(
    release: Path, lake: Lake, settings: Settings, hub: LoopbackHub
) -> None:
    hub.misbehave("commit cut 99")
    message = refusal(lake, settings, hub)
    assert "could not be reached, or was too busy, in 5 tries" in message
    assert "publish again to see" in message
    repository = hub.repositories[REPOSITORY]
    assert (repository.messages, repository.tags) == (["initial"], {})
    hub.faults.clear()
    hub.requests.clear()
    assert publish(lake, settings, hub).status == "published"
    assert "upload" not in hub.requests, "what was sent before is not sent again"


PUBLISH = """
import sys
from pathlib import Path
from dagster_project.lake import Lake
from dagster_project.releases.publishing import publish_release
from dagster_project.settings import Home, Settings

settings = Settings(Path(sys.argv[1]), Home(Path(sys.argv[2])))
publish_release(Lake(settings.home.lake), settings, "v0.1.0", lambda table, partition: [])
"""


@pytest.mark.parametrize("purpose", ["upload", "commit", "tag"])
def test_a_client_that_is_killed_leaves_no_half_release_and_the_next_one_ends_its_work(
    release: Path, lake: Lake, settings: Settings, hub: LoopbackHub, purpose: str
) -> None:
    hub.misbehave(f"{purpose} hang 99")
    there = target(settings, hub)
    command = [sys.executable, "-c", PUBLISH, str(there.folder), str(there.home.root)]
    environment = {**os.environ, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    process = subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment)
    _wait_for(hub, purpose)
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=30) == -signal.SIGKILL
    repository = hub.repositories[REPOSITORY]
    assert repository.tags == {}
    assert holds(hub, "main") == ({} if purpose != "tag" else all_bytes(release))
    hub.faults.clear()
    published = publish(lake, settings, hub)
    assert repository.messages == ["initial", "Small set v0.1.0"]
    assert repository.tags == {"v0.1.0": published.commit}
    assert holds(hub, "v0.1.0") == all_bytes(release)


def _wait_for(hub: LoopbackHub, purpose: str) -> None:
    deadline = time.monotonic() + 60
    while not hub.requests[purpose]:
        assert time.monotonic() < deadline, f"no request for {purpose}"
        time.sleep(0.02)


def test_somebody_who_commits_in_between_is_not_overwritten_unseen(
    release: Path, lake: Lake, settings: Settings, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dagster_project.releases.publishing.hub import HubRepository

    original = HubRepository.commit

    def while_another_commits(self: HubRepository, *arguments: Any) -> None:
        repository = hub.repositories[REPOSITORY]
        if len(repository.messages) == 1:
            repository.commit("main", {"notes.txt": Blob(b"mine", is_large=False)}, "another's")
        original(self, *arguments)

    monkeypatch.setattr(HubRepository, "commit", while_another_commits)
    publish(lake, settings, hub)
    assert hub.repositories[REPOSITORY].messages == ["initial", "another's", "Small set v0.1.0"]
    assert holds(hub, "v0.1.0") == all_bytes(release)


def test_simulated_ratings_are_refused_even_where_the_manifest_denies_them(
    starter: Fixture, lake: Lake, settings: Settings, hub: LoopbackHub
) -> None:
    shutil.rmtree(settings.home.releases)
    (settings.folder / "releases" / "v0.1.0.lock.json").unlink()
    starter.write()
    write_spec(settings, "v0.1.0", campaigns=["starter"])
    folder = build_release(lake, settings, "v0.1.0", nothing_unmet).path
    assert "holds simulated ratings" in refusal(lake, settings, hub)
    manifest = json.loads((folder / "manifest.json").read_text())
    write_json(folder / "manifest.json", {**manifest, "simulated": False, "publishable": True})
    message = refusal(lake, settings, hub)
    assert "data/train.parquet holds simulated ratings, though the manifest does not say so" in message
    assert "is not what its lock was written for: changed: manifest.json" in message
    assert not hub.requests


def test_a_check_that_does_not_pass_refuses_it(release: Path, lake: Lake, settings: Settings, hub: LoopbackHub) -> None:
    def unmet(table: str, partition: Any) -> list[str]:
        return ["consensus (small): scores_in_scale failed, 3 rows"] if table == "consensus" else []

    assert "scores_in_scale failed, 3 rows" in refusal(lake, settings, hub, unmet=unmet)
    assert not hub.requests


def test_files_that_were_changed_refuse_it(release: Path, lake: Lake, settings: Settings, hub: LoopbackHub) -> None:
    (release / "README.md").write_text("better", encoding="utf-8")
    assert "README.md: its bytes are not those" in refusal(lake, settings, hub)
    assert not hub.requests


def test_without_its_lock_it_is_refused(release: Path, lake: Lake, settings: Settings, hub: LoopbackHub) -> None:
    (settings.folder / "releases" / "v0.1.0.lock.json").unlink()
    assert "the lock of v0.1.0 is not beside its description" in refusal(lake, settings, hub)


def test_text_of_a_model_whose_terms_forbid_it_is_refused_by_what_the_release_says(
    release: Path, lake: Lake, settings: Settings, hub: LoopbackHub
) -> None:
    path = release / "provenance" / "models.parquet"
    models = pl.read_parquet(path)
    forbidding = pl.when(model="warm").then(pl.lit(value=False)).otherwise("outputs_may_train")
    pq.write_table(models.with_columns(outputs_may_train=forbidding).to_arrow(), path)
    manifest = json.loads((release / "manifest.json").read_text())
    for file in manifest["files"]:
        if file["path"] == "provenance/models.parquet":
            file["sha256"] = file_sha256(path)
    write_json(release / "manifest.json", manifest)
    message = refusal(lake, settings, hub)
    assert "it holds text of the model `warm` (Apache-2.0), whose terms do not say that outputs may train" in message


def test_the_gate_of_today_is_asked_again(release: Path, lake: Lake, settings: Settings, hub: LoopbackHub) -> None:
    rewrite(lake, settings, "consensus", lake.read("consensus").filter(pl.col("task_id") != "t-small-07"))
    assert "campaign `small`: 2 responses are rated by other annotations than those kept" in refusal(
        lake, settings, hub
    )


def test_a_public_repository_is_not_sent_what_shall_be_private(
    release: Path, lake: Lake, settings: Settings, hub: LoopbackHub
) -> None:
    published = publish(lake, settings, hub, private=False)
    assert not hub.repositories[REPOSITORY].private
    assert not published.private
    assert "is public, and publishing.yaml says `private: true`" in refusal(lake, settings, hub)


def test_without_a_repository_or_a_token_nothing_is_sent(
    release: Path, lake: Lake, settings: Settings, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "names no `repository`" in refusal(lake, settings, hub, repository=None)
    monkeypatch.delenv("HF_TOKEN")
    assert "environment variable HF_TOKEN, which is not set" in refusal(lake, settings, hub)
    assert not hub.requests


def test_a_wrong_token_is_said_and_not_shown(
    release: Path, lake: Lake, settings: Settings, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_anotherSecret")
    message = refusal(lake, settings, hub)
    assert "The token is not one that the Hub knows" in message
    assert "hf_anotherSecret" not in message
    assert "***" in message


LOAD = """
import json, os, sys
import datasets
found = {}
for name in (None, "preference", "annotations", "trl", "axolotl"):
    data = datasets.load_dataset(sys.argv[1], name, revision=sys.argv[2])
    found[str(name)] = {split: [part.num_rows, part.column_names] for split, part in data.items()}
rl = datasets.load_dataset(sys.argv[1], data_files="exports/nemo-rl/train.jsonl", revision=sys.argv[2])["train"]
found["nemo-rl"] = {"train": [rl.num_rows, rl.column_names]}
print(json.dumps(found))
"""


def test_datasets_downloads_what_was_published(
    release: Path, lake: Lake, settings: Settings, hub: LoopbackHub, tmp_path: Path
) -> None:
    publish(lake, settings, hub)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))},
        "HF_ENDPOINT": hub.address,
        "HF_TOKEN": TOKEN,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD, REPOSITORY, "v0.1.0"], env=environment, capture_output=True, text=True, check=False
    )
    assert loaded.returncode == 0, loaded.stderr
    found = json.loads(loaded.stdout.splitlines()[-1])
    for name in ("data", "preference", "annotations"):
        for split, (rows, columns) in found["None" if name == "data" else name].items():
            table = pq.read_schema(release / name / f"{split}.parquet")
            assert columns == table.names
            assert rows == pq.read_metadata(release / name / f"{split}.parquet").num_rows
    assert found["trl"]["train"][1] == ["prompt", "chosen", "rejected", "margin", "task_id"]
    assert found["nemo-rl"]["train"][1] == ["context", "completions"]


STEERWORKS = Path(sys.executable).with_name("steerworks")


def check_everything(lake: Lake, settings: Settings) -> None:
    """Hold every table that the release reads to its expectations, as the checks of the lineage do."""
    suites = load_suites(PROJECT_ROOT / "expectations")
    inputs = find_inputs(lake, settings, settings.release("v0.1.0"))
    for name in READ_TABLES:
        for partition in inputs.partitions(name):
            check_partition(lake, name, partition, suites)


def test_the_command_publishes_checked_tables_alone_and_the_token_stands_nowhere(
    release: Path, lake: Lake, settings: Settings, hub: LoopbackHub
) -> None:
    """With the most talkative logs that the client has, and faults and refusals whose text quotes the token."""
    there = target(settings, hub)
    environment = {
        **os.environ,
        "STEERWORKS_CONFIG": str(there.folder),
        "STEERWORKS_HOME": str(there.home.root),
        "HF_DEBUG": "1",
        "HF_HUB_VERBOSITY": "debug",
        "HF_HUB_DISABLE_XET": "1",
    }
    said: list[str] = []

    def steerworks(token: str = TOKEN) -> int:
        command = [STEERWORKS, "publish", "v0.1.0"]
        given = {**environment, "HF_TOKEN": token}
        done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
        said.extend((done.stdout, done.stderr))
        return done.returncode

    assert steerworks() == 1
    assert "they were never checked" in said[-1]
    assert not hub.requests
    check_everything(lake, there)
    assert steerworks("hf_anotherSecret") == 1
    assert "The token is not one that the Hub knows" in said[-1]
    hub.misbehave("commit 500")
    assert steerworks() == 0
    assert f"v0.1.0 of {REPOSITORY} is on the Hub, private" in said[-2]
    assert holds(hub, "v0.1.0") == all_bytes(release)
    written = [path for place in (there.home.root, there.folder) for path in place.rglob("*") if path.is_file()]
    assert any("dagster" in path.parts for path in written)
    texts = [*(text.encode() for text in said), *(path.read_bytes() for path in written)]
    for secret in (TOKEN, "hf_anotherSecret"):
        assert not any(secret.encode() in text for text in texts)
