"""Backfilling a new model against a real server on loopback: exactly the missing cells, and no others."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
import yaml

from dagster_project.checks import unchecked_partitions
from dagster_project.cli.backfill import backfill
from dagster_project.cli.launch import Launcher, open_instance
from dagster_project.cli.money import Allowance
from dagster_project.cli.prompts import add
from dagster_project.cli.responses import batches, verify
from dagster_project.cli.run import run
from dagster_project.curation import deliver_prompts
from dagster_project.definitions import build_defs
from dagster_project.errors import SteerworksError
from dagster_project.generation import SilentProgress, answer_cell, unfilled_cells
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, serve_models
from dagster_project.partitions import CellRange
from dagster_project.quality.expectations import load_suites
from dagster_project.settings import PROJECT_ROOT, Home, Settings
from tests.generation.cells import until

pytestmark = pytest.mark.slow

STEERWORKS = Path(sys.executable).with_name("steerworks")
BATCHES = ("spring", "summer")
DEAR = {"input_usd_per_million": 0, "output_usd_per_million": 1_000_000 / 8}
"""At most 1 USD an answer."""


def configure(config: Path, address: str, *slugs: str, **fields: object) -> None:
    model = {
        "endpoint": "loopback",
        "revision": "1",
        "sampling": {"max_tokens": 8},
        "terms": {"licence": "CC0-1.0", "outputs_may_train": True},
        **fields,
    }
    models = {
        "endpoints": {"loopback": {"base_url": address}, "down": {"base_url": "http://127.0.0.1:9/v1"}},
        "models": {
            slug: model | {"name": slug, "endpoint": "down" if "down" in slug else "loopback"} for slug in slugs
        },
    }
    (config / "models.yaml").write_text(yaml.safe_dump(models, sort_keys=False))
    # The prompts of these batches are much alike, and all of them are to be asked.
    curation = {"completion_model": slugs[0], "selection": {"target": 3}, "duplicates": {"exclude": False}}
    (config / "curation.yaml").write_text(yaml.safe_dump(curation))


def ask_in_batches(config: Path, slug: str) -> None:
    """Have a model, known to its endpoint as `batched`, asked through the Batch API."""
    models = yaml.safe_load((config / "models.yaml").read_text())
    models["models"][slug] |= {"batch": {}, "name": "batched"}
    (config / "models.yaml").write_text(yaml.safe_dump(models, sort_keys=False))


def deliver(home: Home, tmp_path: Path) -> None:
    for batch in BATCHES:
        rows = [{"prompt": f"What grows in {batch}, number {number}?"} for number in range(3)]
        path = tmp_path / f"{batch}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        deliver_prompts(home, path, batch, "test", "CC0-1.0")


@pytest.fixture(scope="module")
def selected_homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Homes to copy, where both batches are delivered: in one the first is selected, in the other both are."""
    folder = tmp_path_factory.mktemp("selected")
    config, home = folder / "config", Home(folder / "home")
    shutil.copytree(PROJECT_ROOT / "config", config, ignore=shutil.ignore_patterns("*.lock.json"))
    configure(config, "http://127.0.0.1:9/v1", "first")
    deliver(home, folder)
    launcher = Launcher(Settings(config, home))
    launcher.prompts("spring")
    shutil.copytree(home.root, folder / "spring")
    launcher.prompts("summer")
    return {"spring": folder / "spring", "both": home.root}


@pytest.fixture
def spring(home: Home, selected_homes: dict[str, Path]) -> None:
    """The first batch is selected, the second one only delivered."""
    shutil.copytree(selected_homes["spring"], home.root)


@pytest.fixture
def spring_and_summer(home: Home, selected_homes: dict[str, Path]) -> None:
    """Both batches are selected."""
    shutil.copytree(selected_homes["both"], home.root)


def pair_in_a_campaign(config: Path, batch: str, **models_of: list[str]) -> None:
    """Have the release v0.1.0 hold campaigns over one batch, each of some models; `season` of all if none is named."""
    pairing = {"prompt_batches": [batch], "seed": 1}
    pairings = {name: pairing | {"models": models} for name, models in models_of.items()} or {"season": pairing}
    each = {"vendor": "simulated", "guideline_version": "1.0"}
    campaigns = {name: each | {"pairing": pairing} for name, pairing in pairings.items()}
    (config / "campaigns.yaml").write_text(yaml.safe_dump({"campaigns": campaigns}))
    release = config / "releases" / "v0.1.0.yaml"
    release.write_text(yaml.safe_dump(yaml.safe_load(release.read_text()) | {"campaigns": list(campaigns)}))


def missing(launcher: Launcher, *models: str) -> list[str]:
    return [str(cells) for cells in ranges(launcher, *models)]


def ranges(launcher: Launcher, *models: str) -> list[CellRange]:
    settings = launcher.settings
    return launcher.ranges_to_fill(unfilled_cells(Lake(settings.home.lake), settings.models, models))


def fill(launcher: Launcher, *models: str) -> None:
    for cells in ranges(launcher, *models):
        launcher.responses(cells)


@pytest.mark.usefixtures("spring_and_summer")
def test_a_new_model_is_asked_for_every_prompt_and_no_other_model_is_asked(
    config: Path, home: Home, settings: Settings
) -> None:
    with serve_models(Behaviour(latency=0.01)) as server:
        configure(config, server.address, "first")
        launcher = Launcher(settings)
        fill(launcher, "first")
        assert server.stats()["requests"] == 6
        configure(config, server.address, "first", "second")
        again = Launcher(Settings(config, home))
        assert missing(again, "first", "second") == ["second|spring … second|summer"]
        fill(again, "first", "second")
        assert server.stats()["requests"] == 12
        assert missing(again, "first", "second") == []
    rows = Lake(home.lake).read("responses")
    assert Counter(rows["model"]) == {"first": 6, "second": 6}


@pytest.mark.usefixtures("spring")
def test_a_model_whose_endpoint_is_down_is_named_and_its_cells_stay_missing(
    config: Path, home: Home, settings: Settings
) -> None:
    with serve_models(Behaviour()) as server:
        configure(config, server.address, "first", "down")
        launcher = Launcher(settings)
        fill(launcher, "first")
        with pytest.raises(SteerworksError, match=r"model `down`: the endpoint `down` at http://127.0.0.1:9/v1"):
            fill(launcher, "down")
        assert missing(launcher, "down", "first") == ["down|spring"]


@pytest.mark.usefixtures("spring_and_summer")
def test_cells_that_ran_out_of_money_are_asked_for_until_they_are_full_and_no_tasks_are_made_before(
    config: Path, home: Home, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    with serve_models(Behaviour(usage=False)) as server:
        configure(config, server.address, "first", prices=DEAR)
        launcher = Launcher(settings)
        backfill(max_usd=4.0)
        rows = Lake(home.lake).read("responses")
        assert Counter(rows["reason"]) == {None: 4, "budget": 2}
        assert rows["cost_usd"].sum() == 4.0
        assert missing(launcher, "first") == ["first|summer"]
        said = capfd.readouterr().out
        assert "model `first`: `--max-usd`, 4.0000 USD, is reached: 4.0000 USD are spent" in said
        assert "Still missing: 2 for want of money, in first|summer." in said
        pair_in_a_campaign(config, "summer")
        run(max_usd=1.0)
        waiting = capfd.readouterr().out
        assert "`season` waits for responses" in waiting
        assert "Still missing: 1 for want of money, in first|summer." in waiting
        assert not Lake(home.lake).exists("annotation_tasks", {"campaign": "season"})
        backfill()
        assert missing(launcher, "first") == []
        assert server.stats()["requests"] == 6


@pytest.mark.usefixtures("spring")
def test_tasks_can_be_made_without_the_answers_that_are_missing_and_lead_to_a_release(
    config: Path, home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    with serve_models(Behaviour(usage=False)) as server:
        configure(config, server.address, "first", "second", prices=DEAR)
        pair_in_a_campaign(config, "spring")
        run(max_usd=5.0)
        assert "run again with --without-missing" in capfd.readouterr().out
        run(max_usd=0.0, without_missing=True)
    tasks = Lake(home.lake).read("annotation_tasks")
    assert tasks["prompt_id"].n_unique() == 2
    assert (home.releases / "v0.1.0" / "manifest.json").exists()


@pytest.mark.usefixtures("spring")
def test_a_run_asks_every_model_though_one_fails_and_says_how_to_go_on_without_it(config: Path, home: Home) -> None:
    with serve_models(Behaviour()) as server:
        configure(config, server.address, "first", "down", "zest")
        pair_in_a_campaign(config, "spring")
        with pytest.raises(SteerworksError, match=r"(?s)the endpoint `down`.*To go on without down, .*name other `mo"):
            run()
    assert Counter(Lake(home.lake).read("responses")["model"]) == {"first": 3, "zest": 3}


@pytest.mark.usefixtures("spring")
def test_a_campaign_that_cannot_go_on_holds_up_no_other_and_the_release_waits_for_both(
    config: Path, home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    with serve_models(Behaviour()) as server:
        configure(config, server.address, "first", "down", "zest")
        pair_in_a_campaign(config, "spring", early=["first", "down"], late=["first", "zest"])
        with pytest.raises(SteerworksError, match=r"(?s)the endpoint `down`.*`early` waits for responses"):
            run()
        lake = Lake(home.lake)
        assert [lake.exists("consensus", {"campaign": name}) for name in ("early", "late")] == [False, True]
        assert not (home.releases / "v0.1.0").exists()
        pair_in_a_campaign(config, "spring", early=["zest", "first"], late=["first", "zest"])
        run()
    _, _, summary = capfd.readouterr().out.partition("v0.1.0 in ")
    told = [line.rstrip() for line in summary.splitlines()]
    assert told.index("early") < told.index("late")
    assert sum(line.startswith("Responses    6 of 2 models") for line in told) == 2


@pytest.mark.usefixtures("spring_and_summer")
def test_several_models_are_asked_in_one_run_and_share_the_money(
    config: Path, home: Home, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    with serve_models(Behaviour(usage=False)) as server:
        configure(config, server.address, "first", "second", "third", prices=DEAR)
        launcher = Launcher(settings)
        assert missing(launcher, "first", "second", "third") == ["first|spring … third|summer"]
        backfill(max_usd=12.0)
        assert {name: each["requests"] for name, each in server.stats()["models"].items()} == dict.fromkeys(
            ("first", "second", "third"), 4
        )
        with open_instance(home) as instance:
            assert len(instance.get_runs(dg.RunsFilter(job_name="responses_job"))) == 1
        said = capfd.readouterr().out
        assert "Still missing: 6 for want of money, in first|summer, second|summer, third|summer." in said
        backfill()
        assert server.stats()["requests"] == 18
    lines = [line.rstrip() for line in capfd.readouterr().out.splitlines()]
    first = next(number for number, line in enumerate(lines) if line.startswith("✓ first|summer … third|summer"))
    assert [line.split(",")[0] for line in lines[first + 1 : first + 4]] == [
        f"  {model}: 3 of 3" for model in ("first", "second", "third")
    ]


@pytest.mark.usefixtures("spring_and_summer")
def test_models_of_different_runs_share_the_money_and_what_one_leaves_goes_to_one_that_came_before_it(
    config: Path, home: Home, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    with serve_models(Behaviour(usage=False)) as server:
        configure(config, server.address, "dear", "full", "free", prices=DEAR)
        launcher = Launcher(settings)
        fill(launcher, "full")
        models = yaml.safe_load((config / "models.yaml").read_text())
        del models["models"]["free"]["prices"]
        (config / "models.yaml").write_text(yaml.safe_dump(models, sort_keys=False))
        backfill(max_usd=6.0)
        assert server.stats()["requests"] == 18
    said = capfd.readouterr().out
    assert "model `dear`: a share of `--max-usd`, 3.0000 USD, is reached: 3.0000 USD are spent" in said
    assert "dear|spring … dear|summer, with what others left: 6 of 6" in said
    assert said.count("✓ dear|spring … dear|summer, with what others left") == 1
    assert "Still missing" not in said


@pytest.mark.usefixtures("spring_and_summer")
def test_batches_that_dagsters_storage_lost_are_filled_all_the_same(
    config: Path, home: Home, settings: Settings
) -> None:
    with serve_models(Behaviour()) as server:
        configure(config, server.address, "first")
        launcher = Launcher(settings)
        with dg.DagsterInstance.get() as instance:
            for batch in BATCHES:
                instance.delete_dynamic_partition("prompt_batch", batch)
        backfill()
        assert missing(launcher, "first") == []
    rows = Lake(home.lake).read("responses")
    assert Counter(rows["prompt_batch"]) == dict.fromkeys(BATCHES, 3)


@pytest.mark.usefixtures("spring_and_summer")
def test_cells_that_a_stopped_run_left_unchecked_are_checked_by_the_next_backfill(
    config: Path, home: Home, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    key = dg.AssetKey("responses")
    with serve_models(Behaviour(latency=3)) as server:
        configure(config, server.address, "first", max_in_flight=3)
        Launcher(settings)  # points DAGSTER_HOME there
        process = subprocess.Popen([STEERWORKS, "backfill"], env=os.environ)
        with dg.DagsterInstance.get() as instance:
            until(lambda: instance.get_materialized_partitions(key) == {"first|spring"})
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 1
        requests = server.stats()["requests"]
        assert requests == 6
        with dg.DagsterInstance.get() as instance:
            assert unchecked_partitions(instance, "responses") == {"first|spring"}
        backfill()
        assert server.stats()["requests"] == requests
        with dg.DagsterInstance.get() as instance:
            assert unchecked_partitions(instance, "responses") == set()
        said = capfd.readouterr().out
        assert "✓ checks of first|spring … first|summer, not made before" in said  # whole when it stopped, too
        backfill()
    assert "checks of" not in capfd.readouterr().out


@pytest.mark.usefixtures("spring")
def test_a_cell_that_dagster_was_not_told_of_is_shown_and_checked_and_no_failing_run_has_it_checked_again(
    config: Path, home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    with serve_models(Behaviour()) as server:
        configure(config, server.address, "first", "second")
        models = Settings(config, home).models
        answer_cell(Lake(home.lake), models, "first", "spring", SilentProgress())
        backfill()
        assert server.stats()["requests"] == 6
    assert "✓ checks of first|spring, not made before" in capfd.readouterr().out
    with dg.DagsterInstance.get() as instance:
        assert instance.get_materialized_partitions(dg.AssetKey("responses")) == {"first|spring", "second|spring"}
    configure(config, "http://127.0.0.1:9/v1", "first", "second", revision="2")
    with pytest.raises(SteerworksError, match="the endpoint `loopback`"):
        backfill()
    assert "checks of" not in capfd.readouterr().out
    with dg.DagsterInstance.get() as instance:
        assert unchecked_partitions(instance, "responses") == set()


@pytest.mark.usefixtures("spring")
def test_a_backfill_goes_on_after_a_model_that_fails_and_ends_with_its_reason(config: Path, home: Home) -> None:
    with serve_models(Behaviour()) as server:
        configure(config, server.address, "zest", "down")
        with pytest.raises(SteerworksError, match="model `down`: the endpoint `down`"):
            backfill()
    rows = Lake(home.lake).read("responses")
    assert Counter(rows["model"]) == {"zest": 3}


def test_cells_show_as_they_are_filled_and_the_run_then_says_what_was_not(
    config: Path, home: Home, settings: Settings, tmp_path: Path
) -> None:
    """What is whole counts, and is checked, although the run fails, and a cell that failed is missing alone."""
    deliver(home, tmp_path)
    with serve_models(Behaviour()) as server, dg.instance_for_test() as instance:
        configure(config, server.address, "first", "down")
        instance.add_dynamic_partitions("prompt_batch", list(BATCHES))
        definitions = build_defs(Settings(config, home))
        for batch in BATCHES:
            definitions.resolve_job_def("prompts_job").execute_in_process(instance=instance, partition_key=batch)
        cells = CellRange(("first", "down"), BATCHES)
        result = definitions.resolve_job_def("responses_job").execute_in_process(
            instance=instance, tags=cells.tags, raise_on_error=False
        )
        assert not result.success
        checked = [entry.dagster_event for entry in instance.all_logs(result.run_id) if entry.dagster_event]
        key = dg.AssetKey("responses")
        assert instance.get_materialized_partitions(key) == {"first|spring", "first|summer"}
        [latest] = instance.fetch_materializations(
            dg.AssetRecordsFilter(key, asset_partitions=["first|spring"]), limit=1
        ).records
    [check, *_] = load_suites(PROJECT_ROOT / "expectations")["responses"].expectations
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    evaluations = [each.asset_check_evaluation_data for each in checked if each.event_type == kind]
    found = {each.partition: each.passed for each in evaluations if each.check_name == check.slug}
    assert found == {"first|spring": True, "first|summer": True}
    figures = {name: value.value for name, value in latest.asset_materialization.metadata.items()}
    assert {"wanted": 3, "ok": 3, "asked": 3, "retries": 0, "dagster/partition_row_count": 3}.items() <= figures.items()
    assert {"latency_median", "latency_99th", "tokens_per_second", "cost_usd"} <= set(figures)
    said = next(event.step_failure_data.user_failure_data for event in result.all_events if event.is_step_failure)
    assert said.description.count("the endpoint `down`") == 1
    assert said.description.startswith("down|spring, down|summer: model `down`")


def test_a_dry_run_says_what_it_would_take_and_asks_nothing(
    config: Path, home: Home, settings: Settings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    deliver(home, tmp_path)
    with serve_models(Behaviour()) as server:
        configure(config, server.address, "first", prices=DEAR)
        backfill(dry_run=True)
        said = capfd.readouterr().out
        assert "There are no selected prompts yet" in said
        assert "Not selected yet, or not all of it: spring, summer." in said
        Launcher(settings).prompts("spring")
        configure(config, server.address, "first", prices=DEAR, max_usd=2.5)
        backfill(dry_run=True, max_usd=1.5)
        assert server.stats()["requests"] == 0
        said = capfd.readouterr().out
        assert "`--max-usd` leaves 1.5000 of 1.5000 USD: asking would stop there." in said
        assert "`max_usd` of model first leaves 2.5000 of 2.5000 USD: asking would stop there." in said
        configure(config, server.address, "first", prices=DEAR)
        assert "first" in said
        assert "3.0000" in said
        assert "Nothing was asked." in said
        backfill()
        backfill(dry_run=True)
        said = capfd.readouterr().out
        assert "Nothing is missing" in said
        assert "Not selected yet, or not all of it: summer." in said


@pytest.mark.usefixtures("spring")
def test_a_dry_run_names_a_key_that_is_not_there(config: Path, home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    configure(config, "http://127.0.0.1:9/v1", "first")
    models = yaml.safe_load((config / "models.yaml").read_text())
    models["endpoints"]["loopback"]["api_key_env"] = "KEY_OF_NOBODY"
    (config / "models.yaml").write_text(yaml.safe_dump(models, sort_keys=False))
    backfill(dry_run=True)
    assert "takes its key from the environment variable KEY_OF_NOBODY, which is not set" in capfd.readouterr().out


@pytest.mark.usefixtures("spring")
def test_verify_counts_every_cell_and_fails_when_the_table_differs(
    config: Path, home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    with serve_models(Behaviour()) as server:
        configure(config, server.address, "first", "second")
        backfill(["first"])
        verify()
        lines = [line.split() for line in capfd.readouterr().out.splitlines()]
        assert ["first", "spring", "3", "3", "0", "0", "0"] in lines
        assert ["second", "spring", "3", "0", "0", "3", "0"] in lines
        [path] = Lake(home.lake).parts("responses")
        rows = pq.read_table(path)
        pq.write_table(rows.slice(1), path)
        with pytest.raises(
            SteerworksError, match=r"in first\|spring \(1 rows\).*answered: run `steerworks backfill fi"
        ):
            verify()
        backfill(["first"])
        verify()
        pq.write_table(rows.set_column(rows.schema.get_field_index("response"), "response", rows["prompt_id"]), path)
        with pytest.raises(SteerworksError, match=r"in first\|spring \(3 rows\).*delete .*steerworks backfill first"):
            verify()
        path.unlink()
        backfill(["first"])
        verify()
        assert server.stats()["requests"] == 3


@pytest.mark.usefixtures("spring")
def test_what_is_out_in_batches_is_listed_and_the_sensor_collects_it_and_hands_in_nothing_that_costs(
    config: Path, home: Home, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    with serve_models(Behaviour(p_batch_expire=1)) as server:
        configure(config, server.address, "first", prices=DEAR)
        batches()
        assert "No batch is out." in capfd.readouterr().out
        ask_in_batches(config, "first")
        batched = Settings(config, home)
        Launcher(batched).responses(CellRange(("first",), ("spring",)))
        assert Counter(Lake(home.lake).read("responses")["reason"]) == {"batch_pending": 3}
        batches()
        said = capfd.readouterr().out
        assert ["first", "spring"] in [line.split()[:2] for line in said.splitlines()]
        assert "3 requests are out, with 3." in said
        configure(config, server.address, "renamed")
        batches()
        assert "models.yaml no longer has first." in capfd.readouterr().out
        configure(config, server.address, "first", prices=DEAR)
        ask_in_batches(config, "first")
        collect = build_defs(batched).resolve_sensor_def("batches")
        until(lambda: isinstance(collect(), list))  # Dagster's own way to evaluate a tick takes no such partitions
        [request] = collect()
        assert request.partition_key == "first|spring"
        max_usd = request.run_config["ops"]["responses"]["config"]["max_usd"]
        Launcher(batched).responses(CellRange(("first",), ("spring",)), Allowance(max_usd))
        reasons = Counter(Lake(home.lake).read("responses")["reason"])
        assert reasons[None] >= 1
        assert reasons["budget"] == 3 - reasons[None]
        assert server.stats()["batch_lines"] == {"batched": 3}


@pytest.mark.parametrize("elsewhere", [(), ("down",)])
@pytest.mark.usefixtures("spring")
def test_what_is_out_for_a_model_that_is_gone_is_collected_though_nothing_is_asked_of_its_endpoint(
    config: Path,
    home: Home,
    capfd: pytest.CaptureFixture[str],
    elsewhere: tuple[str, ...],
) -> None:
    with serve_models(Behaviour()) as server:
        configure(config, server.address, "first", "second")
        backfill(["second"])
        ask_in_batches(config, "first")
        backfill(["first"])
        configure(config, server.address, "second", *elsewhere)

        def is_collected() -> bool:
            with suppress(SteerworksError):  # of the endpoint that is down
                backfill()
            return "what was handed in for spring has been collected" in capfd.readouterr().out

        until(is_collected)
        batches()
        assert "No batch is out." in capfd.readouterr().out


def test_turns_in_between_keep_to_the_money_of_the_command(
    config: Path, home: Home, settings: Settings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    turns = [[{"role": "user", "content": f"{word} me a story."} for word in words] for words in ("ab", "cd", "ef")]
    path = tmp_path / "turns.jsonl"
    path.write_text("".join(json.dumps({"messages": messages}) + "\n" for messages in turns))
    with serve_models(Behaviour(usage=False)) as server:
        configure(config, server.address, "first", prices=DEAR)
        add(path, "turns", "test", "CC0-1.0", run=True, max_usd=2.0)
        assert server.stats()["requests"] == 2
    assert "`--max-usd`, 2.0000 USD, is reached: 2.0000 USD are spent" in capfd.readouterr().out
    rows = Lake(home.lake).read("selected_prompts")
    assert Counter(rows["reason"]) == {None: 2, "completion_failed: budget": 1}
