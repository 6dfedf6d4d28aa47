"""The licence gate: terms belong to weights, sources and vendors, and what does not pass is out with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.releases import build_release
from dagster_project.settings import Settings
from dagster_project.settings.licences import LicencesFile
from tests.releases.release_inputs import Fixture, nothing_unmet, rewrite, write_spec

pytestmark = pytest.mark.slow


def build(lake: Lake, settings: Settings) -> Path:
    return build_release(lake, Settings(settings.folder, settings.home), "v0.1.0", nothing_unmet).path


def refusal(lake: Lake, settings: Settings) -> str:
    with pytest.raises(SteerworksError) as refused:
        build(lake, settings)
    assert not list(settings.home.releases.glob("*"))
    return str(refused.value)


def set_rules(settings: Settings, **changes: Any) -> None:
    path = settings.folder / "licences.yaml"
    rules = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({**rules, **changes}), encoding="utf-8")


def change_tasks(lake: Lake, settings: Settings, **columns: Any) -> None:
    rewrite(lake, settings, "annotation_tasks", lake.read("annotation_tasks").with_columns(**columns))


def of_warm(name: str, value: Any) -> pl.Expr:
    return pl.when(pl.col("model") == "warm").then(pl.lit(value)).otherwise(name)


def test_what_may_not_be_held_is_excluded_with_its_reason_where_the_rules_say_so(
    small: Fixture, lake: Lake, settings: Settings
) -> None:
    small.write()
    set_rules(settings, otherwise={"no-derivative-models": "exclude"})
    of_two = pl.col("task_id").is_in(["t-small-05", "t-small-07"]) & (pl.col("model") == "warm")
    change_tasks(lake, settings, outputs_may_train=pl.when(of_two).then(pl.lit(value=False)).otherwise(True))
    path = build(lake, settings)
    tasks = {row["task_id"]: row for row in pl.read_parquet(path / "provenance" / "tasks.parquet").to_dicts()}
    for task_id in ("t-small-05", "t-small-07"):
        assert not tasks[task_id]["published"]
        assert (tasks[task_id]["stage"], tasks[task_id]["reason"]) == ("licence", "response_no_derivative_models")
    for name in ("data", "preference", "annotations"):
        rows = pl.concat(pl.read_parquet(file) for file in (path / name).glob("*.parquet"))
        assert not rows.filter(pl.col("task_id").is_in(["t-small-05", "t-small-07"])).height
        assert rows.filter(task_id="t-small-06").height
    left = pl.read_parquet(path / "provenance" / "exclusions.parquet").filter(stage="licence")
    assert dict(left.group_by("kind").agg(pl.col("rows").sum()).iter_rows()) == {
        "prompt": 2,
        "response": 4,
        "task": 2,
        "annotation": 12,
    }


def test_weights_that_are_known_cannot_slip_in_under_another_slug_and_other_terms(
    small: Fixture, lake: Lake, settings: Settings
) -> None:
    small.write()
    change_tasks(lake, settings, model_name=of_warm("model_name", "openai/GPT-4o-2024-08-06"))
    message = refusal(lake, settings)
    assert "12 responses with text of the model `warm` (Apache-2.0), whose terms do not let its outputs" in message
    assert "`weights` in licences.yaml says so of openai/GPT-4o-2024-08-06" in message
    assert "`plain`" not in message


@pytest.mark.parametrize(
    "hidden",
    [{"model_name": "lab/warm"}, {"model_name": "cold", "revision": "0e9e39f249a1"}],
    ids=["by name", "by revision"],
)
def test_terms_that_the_same_weights_ever_had_hold_under_any_slug(
    small: Fixture, lake: Lake, settings: Settings, hidden: dict[str, str]
) -> None:
    small.write()
    change_tasks(lake, settings, revision=of_warm("revision", hidden.get("revision", "2")))
    strict = lake.read("responses", {"model": "warm", "prompt_batch": "small"}).with_columns(
        model=pl.lit("old"), outputs_may_train=pl.lit(value=False), licence=pl.lit("lab-terms"), **_literals(hidden)
    )
    lake.write("responses", {"model": "old", "prompt_batch": "elsewhere"}, strict)
    message = refusal(lake, settings)
    assert "whose terms do not let its outputs train other models (answers of " in message
    assert "were stored so as `old` (lab-terms))" in message
    rule = {"name": "warm", "kind": "permissive"}
    set_rules(settings, weights=[rule])
    assert build(lake, settings).exists()


def _literals(values: dict[str, str]) -> dict[str, pl.Expr]:
    return {name: pl.lit(value) for name, value in values.items()}


def test_an_address_tells_whose_weights_they_are(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    path = settings.folder / "models.yaml"
    models = yaml.safe_load(path.read_text(encoding="utf-8"))
    models["endpoints"]["friendly"] = {"base_url": "https://api.openai.com/v1"}
    path.write_text(yaml.safe_dump(models), encoding="utf-8")
    cell = {"model": "warm", "prompt_batch": "small"}
    lake.write("responses", cell, lake.read("responses", cell).with_columns(endpoint=pl.lit("friendly")))
    assert "says so of WARM" in refusal(lake, settings)


def test_the_model_that_filled_in_turns_is_known_by_its_weights_too(
    small: Fixture, lake: Lake, settings: Settings
) -> None:
    small.write()
    path = settings.folder / "models.yaml"
    models = yaml.safe_load(path.read_text(encoding="utf-8"))
    models["models"]["plain"] = {**models["models"]["smollm2-135m-plain"], "name": "anthropic/claude-9"}
    path.write_text(yaml.safe_dump(models), encoding="utf-8")
    assert "says so of anthropic/claude-9" in refusal(lake, settings)


def test_prompts_and_vendors_must_allow_the_release_too(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    change_tasks(lake, settings, source_licence=pl.lit("CC-BY-NC-4.0"))
    vendors = yaml.safe_load((settings.folder / "vendors.yaml").read_text())
    vendors["vendors"]["acme"]["licence"] = "for our eyes only"
    (settings.folder / "vendors.yaml").write_text(yaml.safe_dump(vendors))
    message = refusal(lake, settings)
    assert "responses to prompts from the tests under CC-BY-NC-4.0, which is non-commercial: they cannot" in message
    assert "campaign `small` was rated by `acme` under for our eyes only, which is unknown: its ratings" in message
    vendors["vendors"]["acme"]["licence"] = "cc-by-4.0"
    (settings.folder / "vendors.yaml").write_text(yaml.safe_dump(vendors))
    write_spec(settings, "v0.1.0", licence="cc-by-nc-4.0")
    assert build(lake, settings).exists()


def test_models_that_rate_beside_people_must_allow_the_release_too(
    small: Fixture, lake: Lake, settings: Settings
) -> None:
    small.write()
    models = yaml.safe_load((settings.folder / "models.yaml").read_text())["models"]
    judges = {"kind": "model", "licence": "a secret deal", "slots": "fixed", "judges": [min(models)]}
    for file, edit in (
        ("vendors", lambda there: there["vendors"].update(judges=judges)),
        ("campaigns", lambda there: there["campaigns"]["small"].update(with_models="judges")),
    ):
        path = settings.folder / f"{file}.yaml"
        there = yaml.safe_load(path.read_text())
        edit(there)
        path.write_text(yaml.safe_dump(there))
    assert "campaign `small` was rated by `judges` under a secret deal, which is unknown" in refusal(lake, settings)


def test_a_release_under_a_licence_of_no_kind_is_refused(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    write_spec(settings, "v0.1.0", licence="wtfpl")
    assert "the release's own licence `wtfpl` may hold nothing" in refusal(lake, settings)


def test_a_release_of_which_everything_is_excluded_is_refused(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    set_rules(settings, otherwise={"unknown": "exclude"})
    change_tasks(lake, settings, source_licence=pl.lit("unknown"))
    assert "every task is left out: licence, prompt_unknown" in refusal(lake, settings)


def test_a_licence_is_of_one_kind_whatever_its_case() -> None:
    rules = {"kinds": {"permissive": ["MIT"]}, "may_hold": {"permissive": ["permissive"]}}
    assert LicencesFile.model_validate(rules).kind_of(" mit ") == "permissive"
    assert LicencesFile.model_validate(rules).outcome("permissive", "unknown") == "refuse"
    with pytest.raises(ValueError, match="of two kinds: mit"):
        LicencesFile.model_validate({**rules, "kinds": {"permissive": ["MIT"], "unknown": ["mit"]}})
