"""Which responses become tasks, and that they stay what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dagster_project.errors import SteerworksError
from dagster_project.identity import stable_id
from dagster_project.lake import Lake
from dagster_project.settings import Home, Settings
from dagster_project.vendors import freeze_tasks
from tests.vendors.vendor_inputs import BATCH, MODELS, prompt_row, write_inputs

Answered = list[dict[str, Any]]


def tasks_of(lake: Lake, campaign: str = "starter") -> pl.DataFrame:
    return lake.read("annotation_tasks", {"campaign": campaign})


def pairs_by_prompt(lake: Lake, campaign: str = "starter") -> dict[str, list[list[str]]]:
    """The response ids of each prompt's tasks, in shown order."""
    by_task = tasks_of(lake, campaign).sort("task_id", "position")
    tasks = by_task.group_by("prompt_id", "task_id", maintain_order=True).agg("response_id")
    return {str(prompt): group["response_id"].to_list() for (prompt,), group in tasks.group_by("prompt_id")}


def test_each_prompt_gets_its_pairs_of_different_models(lake: Lake, settings: Settings, answered: Answered) -> None:
    frozen = freeze_tasks(lake, settings, "starter")
    tasks = tasks_of(lake)
    assert (frozen.tasks, frozen.responses, frozen.was_frozen) == (20, 40, False)
    assert tasks.group_by("prompt_id").agg(pl.col("task_id").n_unique())["task_id"].to_list() == [2] * 10
    assert tasks.group_by("task_id").agg(pl.col("model").n_unique())["model"].unique().to_list() == [2]
    assert tasks.group_by("task_id").agg(pl.col("position").sort())["position"].to_list() == [[1, 2]] * 20


def test_a_task_id_is_a_hash_of_campaign_and_responses(lake: Lake, settings: Settings, answered: Answered) -> None:
    freeze_tasks(lake, settings, "starter")
    for (task_id,), rows in tasks_of(lake).group_by("task_id"):
        assert task_id == stable_id("t", ["starter", *sorted(rows["response_id"])])


def test_an_answer_to_another_conversation_is_not_shown(lake: Lake, settings: Settings) -> None:
    prompts = [prompt_row(number) for number in range(1, 4)]
    write_inputs(lake, prompts)
    rows = lake.read("selected_prompts", {"prompt_batch": BATCH})
    changed = pl.col("prompt_id") == prompts[0]["prompt_id"]
    other = pl.when(changed).then(pl.lit("other turns")).otherwise("conversation_hash")
    lake.write("selected_prompts", {"prompt_batch": BATCH}, rows.with_columns(conversation_hash=other))
    freeze_tasks(lake, settings, "starter")
    assert set(tasks_of(lake)["prompt_id"]) == {prompt["prompt_id"] for prompt in prompts[1:]}


def test_both_orders_are_shown(lake: Lake, settings: Settings, answered: Answered) -> None:
    freeze_tasks(lake, settings, "starter")
    orders = [pair == sorted(pair) for pairs in pairs_by_prompt(lake).values() for pair in pairs]
    assert 3 < sum(orders) < 17


def test_frozen_tasks_stay_whatever_changes_upstream(lake: Lake, settings: Settings, answered: Answered) -> None:
    freeze_tasks(lake, settings, "starter")
    before = lake.content_hash("annotation_tasks")
    write_inputs(lake, [prompt_row(number) for number in range(1, 20)])
    assert freeze_tasks(lake, settings, "starter").was_frozen
    assert lake.content_hash("annotation_tasks") == before


def test_new_prompts_leave_the_pairs_of_others_alone(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    few, many = lake, Lake(tmp_path / "many")
    write_inputs(few, [prompt_row(number) for number in range(1, 6)])
    write_inputs(many, [prompt_row(number) for number in range(1, 12)])
    for one in (few, many):
        freeze_tasks(one, settings, "starter")
    assert pairs_by_prompt(few).items() <= pairs_by_prompt(many).items()


def test_a_new_model_leaves_the_order_of_decided_pairs_alone(
    lake: Lake, config: Path, home: Home, tmp_path: Path, answered: Answered
) -> None:
    campaigns = config / "campaigns.yaml"
    text = campaigns.read_text().replace("pairs_per_prompt: 2", "pairs_per_prompt: 3")
    campaigns.write_text(text)
    freeze_tasks(lake, Settings(config, home), "starter")
    with_three = pairs_by_prompt(lake)
    campaigns.write_text(text.replace("pairs_per", f"models: [{', '.join(MODELS[:2])}]\n      pairs_per"))
    two = Lake(tmp_path / "two")
    write_inputs(two, answered)
    freeze_tasks(two, Settings(config, home), "starter")
    for prompt, pairs in pairs_by_prompt(two).items():
        assert len(pairs) == 1
        assert pairs[0] in with_three[prompt]


def test_failed_answers_and_unselected_prompts_are_left_out(
    lake: Lake, settings: Settings, prompts: list[dict[str, Any]]
) -> None:
    prompts[0]["selected"] = False
    write_inputs(lake, prompts)
    write_inputs(lake, prompts, models=MODELS[:1], status="failed")
    with pytest.raises(SteerworksError, match="have no `ok` answer: smollm2-135m-plain"):
        freeze_tasks(lake, settings, "starter")
    write_inputs(lake, prompts)
    freeze_tasks(lake, settings, "starter")
    assert prompts[0]["prompt_id"] not in pairs_by_prompt(lake)


def test_missing_cells_are_named_with_what_to_run(
    lake: Lake, settings: Settings, prompts: list[dict[str, Any]]
) -> None:
    write_inputs(lake, prompts, models=MODELS[:2])
    with pytest.raises(SteerworksError) as error:
        freeze_tasks(lake, settings, "starter")
    assert f"missing: {MODELS[2]}|{BATCH}." in str(error.value)
    assert "steerworks backfill" in str(error.value)
    assert not lake.exists("annotation_tasks", {"campaign": "starter"})


def test_answers_that_cannot_be_paired_are_an_error(
    lake: Lake, config: Path, home: Home, prompts: list[dict[str, Any]]
) -> None:
    campaigns = config / "campaigns.yaml"
    campaigns.write_text(campaigns.read_text().replace("pairs_per", f"models: [{MODELS[0]}]\n      pairs_per"))
    write_inputs(lake, prompts)
    with pytest.raises(SteerworksError, match="nothing to compare"):
        freeze_tasks(lake, Settings(config, home), "starter")


def test_a_prompt_in_two_batches_gives_each_pair_once(lake: Lake, config: Path, home: Home) -> None:
    campaigns = config / "campaigns.yaml"
    campaigns.write_text(campaigns.read_text().replace("[starter]", "[starter, again]"))
    for batch in (BATCH, "again"):
        write_inputs(lake, [prompt_row(1, batch)])
    assert freeze_tasks(lake, Settings(config, home), "starter").tasks == 2


def paired_with(config: Path, home: Home, lake: Lake, pairing: str, campaign: str = "") -> pl.DataFrame:
    """Freeze the starter campaign under another pairing; return its tasks."""
    campaigns = config / "campaigns.yaml"
    text = campaigns.read_text().replace("pairs_per_prompt: 2", f"pairs_per_prompt: 1\n      {pairing}")
    campaigns.write_text(text.replace("annotators_per_task: 3", f"annotators_per_task: 3\n    {campaign}"))
    freeze_tasks(lake, Settings(config, home), "starter")
    return tasks_of(lake)


def test_with_a_baseline_every_pair_has_its_response(lake: Lake, config: Path, home: Home, answered: Answered) -> None:
    tasks = paired_with(config, home, lake, f"baseline: {MODELS[1]}")
    assert tasks.group_by("task_id").agg((pl.col("model") == MODELS[1]).sum())["model"].to_list() == [1] * 10


def test_a_mix_draws_models_by_their_weights(lake: Lake, config: Path, home: Home) -> None:
    write_inputs(lake, [prompt_row(number) for number in range(1, 401)])
    tasks = paired_with(config, home, lake, f"weights: {{{MODELS[0]}: 8, {MODELS[1]}: 4}}")
    pairs = tasks.group_by("task_id").agg(pl.col("model").sort().str.join("+"))["model"].value_counts()
    counts = dict(pairs.iter_rows())
    total = 8 * 4 + 8 * 1 + 4 * 1
    for first, second, weight in ((0, 1, 32), (0, 2, 8), (1, 2, 4)):
        share = counts["+".join(sorted((MODELS[first], MODELS[second])))] / 400
        assert share == pytest.approx(weight / total, abs=0.06)


def test_a_first_round_beyond_the_budget_is_not_frozen(
    lake: Lake, config: Path, home: Home, answered: Answered
) -> None:
    vendors = config / "vendors.yaml"
    vendors.write_text(vendors.read_text().replace("kind: simulated", "kind: simulated\n    usd_per_annotation: 1"))
    with pytest.raises(SteerworksError, match=r"cost 60.00 USD, and `max_usd` is 59.00"):
        paired_with(config, home, lake, "baseline: null", "max_usd: 59")
    assert not lake.parts("annotation_tasks")
