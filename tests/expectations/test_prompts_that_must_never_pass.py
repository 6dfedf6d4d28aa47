"""Empty prompts, wrong roles and unknown licences: each alone makes a release wait, by the rule that names it."""

from __future__ import annotations

from typing import Any

import pytest

from dagster_project.lake import Lake
from dagster_project.quality.expectations import check_partition, load_suites, unmet
from dagster_project.settings import PROJECT_ROOT
from dagster_project.settings.curation import LicenceFilter
from tests.expectations.expectation_rows import curated, partition_of, selected, write

SUITES = load_suites(PROJECT_ROOT / "expectations")
ASKED, ANSWERED = {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}
KNOWN_ROLES, LAST_TURN = "kept_prompts_hold_known_roles_and_text", "kept_prompts_end_with_the_user"
ALTERNATE = "selected_conversations_alternate"

CURATED = {
    "no turn at all": ({"messages": [], "turns": 0, "chars": 0}, {LAST_TURN}),
    "a turn of spaces": ({"messages": [{"role": "user", "content": " \n"}]}, {KNOWN_ROLES}),
    "an empty turn in between": ({"messages": [ASKED, {"role": "user", "content": ""}, ASKED]}, {KNOWN_ROLES}),
    "a role that is none": ({"messages": [{"role": "wizard", "content": "Abracadabra."}, ASKED]}, {KNOWN_ROLES}),
    "the assistant last": ({"messages": [ASKED, ANSWERED]}, {LAST_TURN}),
    **{
        f"the licence `{word}`": ({"licence": word.upper()}, {"kept_prompts_have_a_known_licence"})
        for word in ("", " ", *LicenceFilter().unknown)
    },
}
SELECTED = {
    "two of the user": ([ASKED, ASKED], ALTERNATE),
    "the assistant first": ([ANSWERED, ASKED, ANSWERED, ASKED], ALTERNATE),
    "the assistant last": ([ASKED, ANSWERED], ALTERNATE),
    "nobody": ([], ALTERNATE),
    "an empty answer": ([ASKED, {"role": "assistant", "content": "\n"}, ASKED], "selected_turns_hold_text"),
}


def blocking(lake: Lake, table: str, row: dict[str, Any]) -> set[str]:
    write(lake, table, [{"turns": 1, "chars": 4, "licence": "MIT", "source": "tests"} | row])
    check_partition(lake, table, partition_of(table), SUITES)
    waits_for = " ".join(map(str, unmet(lake, table, partition_of(table), SUITES)))
    return {one.name for one in SUITES[table].expectations if one.name and one.slug in waits_for}


@pytest.mark.parametrize("name", CURATED)
def test_a_kept_prompt_that_must_not_pass_blocks_a_release(lake: Lake, name: str) -> None:
    broken, rules = CURATED[name]
    assert blocking(lake, "curated_prompts", curated(1)) == set()
    assert blocking(lake, "curated_prompts", curated(1, **broken)) == rules


@pytest.mark.parametrize("name", SELECTED)
def test_a_selected_conversation_that_nobody_could_answer_blocks_a_release(lake: Lake, name: str) -> None:
    assert blocking(lake, "selected_prompts", selected("p1", place=1)) == set()
    messages, rule = SELECTED[name]
    assert blocking(lake, "selected_prompts", selected("p1", place=1, messages=messages)) == {rule}
