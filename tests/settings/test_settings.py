"""What a user reads who made a mistake in the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.errors import SteerworksError
from dagster_project.settings import Settings
from dagster_project.settings.models import Sampling


def break_file(config: Path, name: str, old: str, new: str) -> None:
    path = config / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_default_configuration_is_valid(settings: Settings) -> None:
    assert len(settings.models.models) == 3
    assert settings.rubric_of("starter").deciding == ["helpfulness"]
    assert settings.policy_of("starter").closest == 3
    assert settings.release("v0.1.0").campaigns == ("starter",)
    assert settings.curation.completion_model in settings.models.models
    assert settings.automation.inbox_seconds == 30


@pytest.mark.parametrize(
    ("name", "old", "new", "read", "message"),
    [
        (
            "models.yaml",
            "kind: embedded",
            "kind: [embedded",
            "models",
            r"models.yaml:\d+: not valid YAML: .* Mend this",
        ),
        (
            "models.yaml",
            "\nmodels:\n",
            "\n\0\nmodels:\n",
            "models",
            r"models.yaml:\d+: not valid YAML: '.x00' may not stand",
        ),
        (
            "models.yaml",
            "    endpoint: embedded\n",
            "    endpoint: embedded\n    max_usd: 5\n",
            "models",
            "`max_usd` holds for what is counted, and `prices` does not name input_usd_per_million and output_usd_per",
        ),
        ("models.yaml", "  embedded:\n", "  other:\n", "models", "names the endpoint `embedded`, which does not exist"),
        ("models.yaml", "kind: embedded", "kind: openai", "models", r"models.yaml:\d+: endpoints.embedded: .*base_url"),
        (
            "models.yaml",
            "max_tokens: 96",
            "max_tokns: 96",
            "models",
            r"models.yaml:\d+: .*max_tokns: no such key here; there are: .*max_tokens",
        ),
        ("models.yaml", "smollm2-135m-plain:", "SmolLM2|plain:", "models", r"models.yaml:\d+: models.SmolLM2\|plain"),
        ("models.yaml", "smollm2-135m-warm:", "smollm2-135m-plain:", "models", "stands here twice"),
        (
            "models.yaml",
            "    terms: &",
            "    price: 1\n    terms: &",
            "models",
            "price: no such key here; .*, prices, ",
        ),
        (
            "models.yaml",
            "    revision: Q4_1",
            "    revision: 2026-02-30  # Q4_1",
            "models",
            r"models.yaml:\d+: .*'2026-02-30' is no value",
        ),
        (
            "models.yaml",
            "models:\n",
            "? [models]\n:\n",
            "models",
            r"models.yaml:\d+: not valid YAML: found unhashable key",
        ),
        ("models.yaml", "models:\n", f"deep: {'[' * 5000}{']' * 5000}\nmodels:\n", "models", "nested too deeply"),
        (
            "models.yaml",
            "seed: 11",
            "seed: 11, extra_body: {proxied: [{Api-Key: k}]}",
            "models",
            r"models.yaml:\d+: .*`extra_body` may not hold `Api-Key`: .* published .* `api_key_env`",
        ),
        ("campaigns.yaml", "seed: 7", "sed: 7", "campaigns", r"pairing.sed: .* there are: .*, seed"),
        (
            "curation.yaml",
            "smollm2-135m-plain",
            "gpt-9",
            "curation",
            "curation.yaml: completion_model names `gpt-9`, which models.yaml does not have. It has: "
            "smollm2-135m-brief, .*. Name one of these there, or add the model",
        ),
        ("campaigns.yaml", "vendor: simulated", "vendor: nobody", "campaigns", "names the vendor `nobody`"),
        ("vendors.yaml", "simulated:", "prompts:", "vendors", "give the vendor another name"),
        ("vendors.yaml", "simulated:", "dice:", "vendors", "is called `simulated`"),
        (
            "automation.yaml",
            "max_usd: 10",
            "max_usd: much",
            "automation",
            r"automation.yaml:2: nightly_responses.max_usd",
        ),
    ],
)
def test_a_mistake_is_named_with_file_line_and_rule(
    config: Path, settings: Settings, name: str, old: str, new: str, read: str, message: str
) -> None:
    break_file(config, name, old, new)
    with pytest.raises(SteerworksError, match=message):
        getattr(settings, read)


def test_a_model_takes_from_another_what_it_does_not_say_itself(config: Path, settings: Settings) -> None:
    path = config / "models.yaml"
    models = """
endpoints:
  here: {base_url: "http://127.0.0.1:8000/v1"}
models:
  first: &first
    endpoint: here
    name: first
    revision: "1"
    sampling: {max_tokens: 96, temperature: 0.2}
    terms: {licence: CC0-1.0, outputs_may_train: true}
  second: &second
    <<: *first
    name: second
  third:
    <<: *second
    sampling: {max_tokens: 50}
"""
    path.write_text(models, encoding="utf-8")
    first, second, third = settings.models.models.values()
    assert (second.name, second.sampling) == ("second", first.sampling)
    assert (third.name, third.sampling.max_tokens, third.sampling.temperature) == ("second", 50, None)
    path.write_text(models.replace("    name: second\n", "    name: second\n    name: other\n"), encoding="utf-8")
    with pytest.raises(SteerworksError, match=r"models.yaml:14: .* the key 'name' stands here twice"):
        _ = Settings(config, settings.home).models


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{lowest: 0, highest: 4}", "{lowest: 4, highest: 0}", r"rubric.yaml:\d+: scale: the scale is upside down"),
        ("decides: true", "decides: false", "at least one must decide disputes"),
        ("name: coherence", "name: helpfulness", "two attributes have the same name"),
        ("name: coherence", "name: prompt", "columns of the release already"),
        ("name: coherence", "name: Split", "columns of the release already"),
        ("      4: Clear throughout", "      5: Clear throughout", "describes levels outside the scale"),
        (
            "      4: Clear throughout",
            "      0x3: Clear throughout",
            r"rubric.yaml:32: .* the key '3' stands here twice",
        ),
        ("ratings: {helpfulness: 4,", "ratings: {wit: 4,", "example 1 names no attribute or flag of the rubric: wit"),
        (
            "ratings: {helpfulness: 1,",
            "ratings: {helpfulness: 7,",
            "example 2 has ratings outside the scale: helpfulness",
        ),
        (
            "    why: It answers",
            "    flags: [needs_code]\n    why: It answers",
            "example 1 has either `ratings` or `flags`",
        ),
    ],
)
def test_a_rubric_that_does_not_hold_together_is_refused(
    config: Path, settings: Settings, old: str, new: str, message: str
) -> None:
    break_file(config, "rubric.yaml", old, new)
    with pytest.raises(SteerworksError, match=message):
        settings.rubric_of("starter")


def test_a_policy_that_could_keep_nothing_is_refused(config: Path, settings: Settings) -> None:
    break_file(config, "agreement.yaml", "closest: 3", "closest: 4")
    with pytest.raises(SteerworksError, match="no task could be kept"):
        settings.policy_of("starter")


def test_a_missing_key_is_named_by_its_variable(
    config: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_file(
        config, "models.yaml", "    kind: embedded", "    base_url: http://127.0.0.1:9/v1\n    api_key_env: NO_SUCH_KEY"
    )
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(SteerworksError, match="environment variable NO_SUCH_KEY, which is not set"):
        settings.models.api_key_of("smollm2-135m-plain")


def test_a_release_without_a_description_says_where_it_is_looked_for(settings: Settings) -> None:
    with pytest.raises(SteerworksError, match=r"releases/v9\.9\.9\.yaml: no such file"):
        settings.release("v9.9.9")


def test_a_candidate_is_described_by_its_version(settings: Settings) -> None:
    assert settings.release("v0.1.0-rc.3") == settings.release("v0.1.0")


def test_a_model_for_curation_may_be_named_there_and_answers_no_prompts(config: Path, settings: Settings) -> None:
    break_file(config, "curation.yaml", "smallest: 5,", "smallest: 5, embedding_model: smollm2-135m-embeddings,")
    assert settings.curation.topics.embedding_model == "smollm2-135m-embeddings"
    assert "smollm2-135m-embeddings" not in settings.models.models
    everything = settings.models.for_curation()
    assert set(everything.models) == {*settings.models.models, "smollm2-135m-embeddings"}


@pytest.mark.parametrize("key", ["judge: null", "completion_model: smollm2-135m-plain"])
def test_a_model_that_curation_names_must_exist(config: Path, settings: Settings, key: str) -> None:
    break_file(config, "curation.yaml", key, f"{key.partition(':')[0]}: no-such-model")
    with pytest.raises(SteerworksError, match=r"names `no-such-model`, which models\.yaml does not have"):
        settings.curation  # noqa: B018 - read when it is first asked for


def test_a_slug_names_one_model(config: Path, settings: Settings) -> None:
    slug = "curation_models:\n  smollm2-135m-embeddings:"
    break_file(config, "models.yaml", slug, "curation_models:\n  smollm2-135m-warm:")
    with pytest.raises(SteerworksError, match="smollm2-135m-warm stands in `models` and in `curation_models`"):
        settings.models  # noqa: B018 - read when it is first asked for


@pytest.mark.parametrize("name", ["top_k", "stop_token_ids", "prompt_cache_key", "skip_special_tokens", "min_tokens"])
def test_parameters_that_only_sound_like_secrets_are_taken(name: str) -> None:
    assert Sampling(max_tokens=1, extra_body={name: 1}).as_sent()[name] == 1
