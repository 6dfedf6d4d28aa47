"""What a user reads in the terminal after a mistake: one message, no traceback, exit code 1."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
import yaml

from dagster_project.cli import main
from dagster_project.cli.launch import Launcher, open_instance
from dagster_project.curation import delivered_batches
from dagster_project.errors import SteerworksError
from dagster_project.generation import SilentProgress, answer_cell
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, serve_models
from dagster_project.settings import Home, Settings
from tests.generation.cells import BATCH, loopback_models, until, write_prompts

STEERWORKS = Path(sys.executable).with_name("steerworks")
Command = Callable[..., str]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process, and return what it prints."""

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["steerworks", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        return capfd.readouterr().out

    return run


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run a command that fails in this process, and return its message."""

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["steerworks", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1
        message = capfd.readouterr().err
        assert message.startswith("error ")
        return message

    return run


@pytest.fixture(autouse=True)
def _home(home: Home, config: Path) -> None:
    """Every command works on an empty home and a copy of the configuration."""


@pytest.mark.slow
def test_broken_yaml_is_told_by_the_command_itself_without_a_traceback(config: Path) -> None:
    (config / "models.yaml").write_text("endpoints: [unclosed")
    result = subprocess.run([STEERWORKS, "run"], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("error ")
    assert "models.yaml:1: not valid YAML" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_model_without_an_endpoint(config: Path, refused: Command) -> None:
    text = (config / "models.yaml").read_text().replace("endpoint: embedded", "endpoint: nowhere", 1)
    (config / "models.yaml").write_text(text)
    assert "names the endpoint `nowhere`, which does not exist" in refused("backfill")


def test_an_unknown_model(refused: Command) -> None:
    assert "has no model gpt-9; it has: smollm2-135m-brief" in refused("backfill", "gpt-9")


@pytest.mark.slow
def test_a_backfill_that_is_interrupted_waits_for_the_answers_under_way_and_begins_no_other_run(
    home: Home, config: Path, settings: Settings
) -> None:
    text = yaml.safe_load((config / "models.yaml").read_text())
    with serve_models(Behaviour(latency=3)) as server:
        text["endpoints"]["embedded"] = {"base_url": server.address}
        (config / "models.yaml").write_text(yaml.safe_dump(text, sort_keys=False))
        write_prompts(Lake(home.lake), ["What grows here?"], "spring")
        Launcher(settings)  # makes the folder of the instance
        with dg.DagsterInstance.get() as instance:
            instance.add_dynamic_partitions("prompt_batch", ["spring"])
        apart = ["smollm2-135m-plain", "smollm2-135m-brief"]
        command = [STEERWORKS, "backfill", *apart]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(command, start_new_session=True, **pipes)
        until(lambda: server.max_in_flight > 0)
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does, which Dagster's helpers are not to hear
        told, printed = process.communicate(timeout=30)
        assert server.stats()["requests"] == 1
    assert process.returncode == 1
    assert "Traceback" not in told + printed
    assert "stopping as soon as the answers under way are here (1 of smollm2-135m-plain), in " in told
    assert printed.startswith("error stopped before it was done.")
    [journal] = (home.lake / "journal").glob("model=*/*.jsonl")
    assert len(journal.read_text().splitlines()) == 1


@pytest.mark.parametrize("command", [["backfill"], ["run"], ["judge", "starter"]])
@pytest.mark.parametrize("amount", ["nan", "-1", "inf"])
def test_what_is_no_amount_of_money_is_refused(
    command: list[str], amount: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["steerworks", *command, f"--max-usd={amount}"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "give an amount of US dollars, 0 or more" in capfd.readouterr().err


def test_money_for_a_run_that_is_left_out_is_refused_before_anything_is_taken_in(
    tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"prompt": "What grows in spring?"}\n')
    options = ["--batch=spring", "--source=test", "--licence=CC0-1.0", "--no-run", "--max-usd=1"]
    monkeypatch.setattr(sys, "argv", ["steerworks", "prompts", "add", str(file), *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "`--max-usd` is for the models that curate" in capfd.readouterr().err
    assert delivered_batches(home) == []


def test_a_table_that_is_cut_is_named_and_made_again_from_its_journal(
    home: Home, config: Path, refused: Command
) -> None:
    lake = Lake(home.lake)
    write_prompts(lake, ["Why?", "What?"])
    cell = {"model": "m", "prompt_batch": BATCH}
    with serve_models() as server:
        models = loopback_models(server.address)
        (config / "models.yaml").write_text(models.model_dump_json())
        answer_cell(lake, models, *cell.values(), SilentProgress())
        [table] = lake.parts("responses", cell)
        content = table.read_bytes()
        table.write_bytes(content[:100])
        for command in (("backfill", "m"), ("backfill", "m", "--dry-run"), ("responses", "verify")):
            assert f"{table}: this file is cut or damaged (" in " ".join(refused(*command).split()).replace(" /", "/")
        table.unlink()
        answer_cell(lake, models, *cell.values(), SilentProgress())
        assert table.read_bytes() == content
        assert server.stats()["requests"] == 2


def test_a_disk_that_dagsters_storage_cannot_write_on_is_named(
    small_disk: Path, config: Path, monkeypatch: pytest.MonkeyPatch, refused: Command
) -> None:
    def fill_up() -> None:
        with open_instance(home) as instance:
            (small_disk / "filler").write_bytes(bytes(shutil.disk_usage(small_disk).free))
            instance.add_dynamic_partitions("prompt_batch", [f"spring-{number}" for number in range(10_000)])

    monkeypatch.setenv("STEERWORKS_HOME", str(small_disk))
    home = Home(small_disk)
    Launcher(Settings(config, home))
    told = rf"{home.dagster}: Dagster's storage cannot be used \(.*disk.*\).* what was done is kept"
    with pytest.raises(SteerworksError, match=told):
        fill_up()
    assert f"error {small_disk}/" in refused("backfill")  # whichever file it is that comes first


def test_an_unknown_release(refused: Command) -> None:
    assert "releases/v9.0.0.yaml: no such file" in refused("run", "v9.0.0")


def test_an_empty_prompt_file(tmp_path: Path, refused: Command) -> None:
    (tmp_path / "none.jsonl").touch()
    arguments = ("--batch", "b", "--source", "s", "--licence", "CC0-1.0")
    assert "the file is empty" in refused("prompts", "add", str(tmp_path / "none.jsonl"), *arguments)
    assert "no such file" in refused("prompts", "add", str(tmp_path / "absent.jsonl"), *arguments)


def test_a_campaign_that_does_not_exist(refused: Command) -> None:
    assert "there is no campaign `autumn`" in refused("campaign", "status", "autumn")


def test_closing_a_campaign_that_has_no_tasks(refused: Command) -> None:
    assert "has no tasks yet" in refused("campaign", "close", "starter")


def test_a_folder_that_is_no_release(tmp_path: Path, refused: Command) -> None:
    assert str(tmp_path) in refused("verify", str(tmp_path))


def test_an_empty_vault_has_nothing_to_forget(said: Command) -> None:
    assert "No raw delivery is older than 730 days" in said("vault", "expire")


def test_old_raw_deliveries_are_forgotten_and_young_ones_are_kept(home: Home, said: Command) -> None:
    folder = home.vault / "deliveries" / "acme"
    folder.mkdir(parents=True)
    for name, age in (("old.jsonl", 0), ("young.jsonl", None)):
        (folder / name).touch()
        if age is not None:
            os.utime(folder / name, (age, age))
    assert "would remove" in said("vault", "expire", "--dry-run")
    assert said("vault", "expire").startswith("removed ")
    assert [path.name for path in folder.iterdir()] == ["young.jsonl"]
