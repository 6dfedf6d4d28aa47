"""Running suites: real Great Expectations, real DuckDB, small real partitions."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.errors import SteerworksError
from dagster_project.lake import TABLES, Lake
from dagster_project.quality.expectations import ExpectationResult, Suite, check_partition, load_suites, run, unmet
from dagster_project.quality.expectations.vocabulary import usable_types
from dagster_project.settings import PROJECT_ROOT
from tests.expectations.expectation_rows import BROKEN, SOUND, partition_of, rating, response, selected, write

SUITES = load_suites(PROJECT_ROOT / "expectations")


def suite_of(table: str, *entries: dict[str, Any]) -> dict[str, Suite]:
    common = {"severity": "critical", "description": "It matters."}
    return {table: Suite.model_validate({"table": table, "expectations": [common | entry for entry in entries]})}


def query(name: str, sql: str, **given: str) -> dict[str, Any]:
    return {
        "type": "unexpected_rows_expectation",
        "name": name,
        "kwargs": {"unexpected_rows_query": sql},
    } | given


def check(lake: Lake, table: str, suites: dict[str, Suite] = SUITES) -> dict[str, ExpectationResult]:
    results = check_partition(lake, table, partition_of(table), suites)
    return {result.expectation: result for result in results}


def open_databases() -> int:
    return sum(_answers(found) for found in gc.get_objects() if type(found) is duckdb.DuckDBPyConnection)


def _answers(connection: duckdb.DuckDBPyConnection) -> bool:
    try:
        connection.execute("select 1")
    except duckdb.ConnectionException:
        return False
    return True


@pytest.mark.parametrize("table", SOUND)
def test_sound_rows_pass_their_suite(lake: Lake, table: str) -> None:
    write(lake, table, SOUND[table])
    results = check(lake, table)
    assert list(results) == [e.slug for e in SUITES[table].expectations]
    assert [result for result in results.values() if not result.passed] == []
    assert unmet(lake, table, partition_of(table), SUITES) == []


@pytest.mark.parametrize("table", BROKEN)
def test_every_rule_of_a_suite_fails_on_rows_that_break_it(tmp_path: Path, table: str) -> None:
    failed: set[str] = set()
    for number, rows in enumerate(BROKEN[table]):
        lake = Lake(tmp_path / str(number))
        write(lake, table, rows)
        results = check(lake, table).values()
        assert [result.error for result in results if result.error] == []
        failed |= {result.expectation for result in results if not result.passed}
    assert failed == {e.slug for e in SUITES[table].expectations}


@pytest.mark.slow
@pytest.mark.parametrize("table", SOUND)
def test_an_empty_table_breaks_only_rules_that_ask_for_rows(lake: Lake, table: str) -> None:
    write(lake, table, [])
    failed = {result.expectation for result in check(lake, table).values() if not result.passed}
    assert failed <= {
        f"{table}__row_count_between",
        "selected_prompts__some_are_selected",
        "delivery_accounts__the_total_is_there",
    }


def test_failed_rows_are_counted_and_named_by_their_grain(lake: Lake) -> None:
    write(lake, "responses", [response(n, status="okay") for n in range(8)])
    result = check(lake, "responses")["responses__status_in_set"]
    assert (result.passed, result.element_count, result.unexpected_count) == (False, 8, 8)
    sample = json.loads(result.sample or "")
    assert len(sample) == 5
    assert sample[0] == {"model": "plain", "prompt_id": "p0", "sample_index": 0, "status": "okay"}


def test_rows_that_a_query_finds_are_counted_and_sampled(lake: Lake) -> None:
    rows = [rating("t1", position, name, scores=[1] * position) for position in (1, 2) for name in "abcdefg"]
    write(lake, "annotations", rows)
    result = check(lake, "annotations")["annotations__one_score_an_attribute"]
    assert (result.element_count, result.unexpected_count) == (14, 7)
    sample = json.loads(result.sample or "")
    assert [row["annotator"] for row in sample] == list("abcde")
    assert sample[0] == {"task_id": "t1", "response_id": "t1-1", "annotator": "a", "scores_given": 1}


def test_observed_values_are_kept_as_json(lake: Lake) -> None:
    write(lake, "consensus", [])
    result = check(lake, "consensus")["consensus__row_count_between"]
    assert (result.passed, result.observed) == (False, "0")


def test_samples_never_quote_what_people_or_models_wrote(lake: Lake) -> None:
    suites = suite_of(
        "responses",
        {"type": "expect_column_value_lengths_to_be_between", "kwargs": {"column": "response", "max_value": 3}},
        {"type": "expect_column_distinct_values_to_be_in_set", "kwargs": {"column": "response", "value_set": ["a"]}},
        query("texts", "select response_id, response from {batch}"),
    )
    write(lake, "responses", [response(1, response="My name is Jane Roe.")])
    results = check(lake, "responses", suites).values()
    assert not any(result.passed for result in results)
    assert not any("Jane" in str(result) for result in results)
    assert any("r1" in (result.sample or "") for result in results)


def test_an_expectation_that_raises_has_failed_with_its_own_text_and_spares_the_others(lake: Lake) -> None:
    suites = suite_of(
        "responses",
        query("cast", "select response_id from {batch} where cast(response as integer) > 1"),
        query("blank", "select response_id from {batch} where response = ''"),
        {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "response_id"}},
    )
    write(lake, "responses", [response(1)])
    results = check(lake, "responses", suites)
    broken = results.pop("responses__cast")
    assert not broken.passed
    assert "Could not convert string 'Because.'" in (broken.error or "")
    assert [(result.passed, result.error) for result in results.values()] == [(True, None)] * 2


def test_a_finding_with_an_error_does_not_stand_for_ever(lake: Lake) -> None:
    suites = suite_of("responses", query("cast", "select response_id from {batch} where cast(response as int) > 1"))
    write(lake, "responses", [response(1)])
    assert check(lake, "responses", suites)["responses__cast"].error
    assert lake.rows("expectation_results") == 0
    (message,) = unmet(lake, "responses", partition_of("responses"), suites)
    assert "could not be evaluated" in message


def test_an_argument_that_great_expectations_refuses_is_an_error_and_not_a_pass(lake: Lake) -> None:
    entry = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "response_id", "mostly": 7}}
    write(lake, "responses", [response(1)])
    with pytest.raises(SteerworksError, match="refuses the suite of `responses`"):
        check(lake, "responses", suite_of("responses", entry))


ARGUMENTS: dict[str, Any] = {
    "column": "round",
    "column_A": "round",
    "column_B": "revision",
    "column_list": ["round", "revision"],
    "column_set": ["round"],
    "value_set": [1],
    "value_pairs_set": [[1, 1]],
    "min_value": 0,
    "max_value": 5,
    "value": 1,
    "sum_total": 2,
    "threshold": 3,
    "double_sided": True,
    "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[0, 1]]},
    "partition_object": {"values": [1], "weights": [1.0]},
    "column_index": None,
    "unexpected_rows_query": "select round from {batch}",
}


def test_every_type_that_a_suite_may_name_runs_on_duckdb(lake: Lake) -> None:
    from dagster_project.quality.expectations.vocabulary import arguments_of

    entries = []
    for number, name in enumerate(usable_types()):
        taken = arguments_of(name)
        lengths = {"column": "guideline_version"} if "value_lengths" in name else {}
        given = {k: v for k, v in (ARGUMENTS | lengths).items() if k in taken.names and v is not None}
        entries.append({"type": name, "name": f"rule_{number}", "kwargs": given})
    write(lake, "deliveries", SOUND["deliveries"])
    results = check(lake, "deliveries", suite_of("deliveries", *entries))
    assert len(results) == len(entries) > 30
    assert {r.expectation: r.error for r in results.values() if r.error} == {}


def test_the_same_bytes_are_not_checked_twice_and_great_expectations_is_not_imported(lake: Lake) -> None:
    write(lake, "preferences", SOUND["preferences"])
    first = check_partition(lake, "preferences", partition_of("preferences"), SUITES)
    program = (
        "import sys; from pathlib import Path; from dagster_project.lake import Lake\n"
        "from dagster_project.quality.expectations import check_partition, load_suites, unmet\n"
        f"suites, lake = load_suites(Path({str(PROJECT_ROOT / 'expectations')!r})), Lake(Path({str(lake.root)!r}))\n"
        "print(check_partition(lake, 'preferences', {'campaign': 'starter'}, suites))\n"
        "assert unmet(lake, 'preferences', {'campaign': 'starter'}, suites) == []\n"
        "assert 'great_expectations' not in sys.modules\n"
    )
    second = subprocess.run([sys.executable, "-c", program], check=True, cwd=PROJECT_ROOT, capture_output=True)
    assert second.stdout.decode().strip() == str(first)


def test_a_suite_that_has_run_leaves_no_database_open(lake: Lake) -> None:
    write(lake, "preferences", SOUND["preferences"])
    gc.collect()
    before = open_databases()
    gc.disable()  # thousands of cells are checked between two looks at all that ever lived
    try:
        check(lake, "preferences")
        assert open_databases() == before
    finally:
        gc.enable()


def test_what_a_suite_made_is_let_go_at_the_first_look_for_garbage(lake: Lake) -> None:
    never_null = query("never_null", "select * from {batch} where task_id is null")
    write(lake, "preferences", SOUND["preferences"])
    check(lake, "preferences")
    gc.collect()
    check(lake, "preferences", suite_of("preferences", never_null))  # Great Expectations holds its latest context
    gc.collect()
    assert gc.collect() == 0


def test_other_bytes_or_another_suite_are_checked_anew(lake: Lake) -> None:
    unique = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "task_id"}}
    write(lake, "preferences", SOUND["preferences"])
    assert check(lake, "preferences", suite_of("preferences", unique))["preferences__task_id_unique"].passed
    write(lake, "preferences", [{"task_id": "t1"}] * 2)
    assert not check(lake, "preferences", suite_of("preferences", unique))["preferences__task_id_unique"].passed
    lenient = suite_of("preferences", unique | {"severity": "warning"})
    assert check(lake, "preferences", lenient)["preferences__task_id_unique"].severity == "warning"
    assert len(lake.parts("expectation_results", {"table": "preferences"})) == 3


@pytest.mark.parametrize("changes", [1, run.MOST_CHECKS])
def test_a_partition_that_is_written_anew_while_it_is_checked_is_checked_anew(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, changes: int
) -> None:
    write(lake, "responses", [response(1)])
    evaluate, checks = run._evaluate, count(1)

    def evaluate_while_another_run_writes(suite: Suite, files: list[Path]) -> list[ExpectationResult]:
        results = evaluate(suite, files)
        if (number := next(checks)) <= changes:
            write(lake, "responses", [response(1, attempts=1 + number)])
        return results

    monkeypatch.setattr(run, "_evaluate", evaluate_while_another_run_writes)
    if changes < run.MOST_CHECKS:
        assert all(result.passed for result in check(lake, "responses").values())
        assert unmet(lake, "responses", partition_of("responses"), SUITES) == []
        assert next(checks) == changes + 2
    else:
        with pytest.raises(SteerworksError, match=r"responses \(.*\) changed each of 5 times that it was checked"):
            check(lake, "responses")


def test_a_table_without_a_suite_passes_without_results(lake: Lake) -> None:
    assert check_partition(lake, "campaign_closings", {"campaign": "starter"}, SUITES) == []
    assert unmet(lake, "campaign_closings", {"campaign": "starter"}, SUITES) == []


def test_a_partition_that_was_never_written_fails_everything(lake: Lake) -> None:
    results = check(lake, "consensus").values()
    assert len(results) == len(SUITES["consensus"].expectations)
    assert all(not r.passed and r.error == "has not been written; materialise it first" for r in results)
    assert unmet(lake, "consensus", {"campaign": "starter"}, SUITES) == [
        "consensus (starter): has not been written; materialise it first"
    ]


def test_a_table_that_is_only_added_to_may_have_no_rows_yet(lake: Lake) -> None:
    assert all(result.passed for result in check(lake, "quarantine").values())
    assert unmet(lake, "quarantine", {"campaign": "starter"}, SUITES) == []


def test_a_new_part_of_an_added_table_is_checked_with_the_earlier_ones(lake: Lake) -> None:
    write(lake, "quarantine", SOUND["quarantine"])
    assert unmet(lake, "quarantine", {"campaign": "starter"}, SUITES) != []
    assert all(result.passed for result in check(lake, "quarantine").values())
    write(lake, "quarantine", SOUND["quarantine"], part="second")
    results = check(lake, "quarantine")
    assert not results["quarantine__delivery_id_row_number_unique"].passed
    assert results["quarantine__delivery_id_row_number_unique"].element_count == 2


def test_a_release_waits_for_bytes_that_were_never_checked(lake: Lake) -> None:
    write(lake, "responses", [response(1)])
    (message,) = unmet(lake, "responses", partition_of("responses"), SUITES)
    assert message.startswith("responses (plain|starter): no finding for its present rows")
    assert "asset `responses`" in message


def test_a_release_waits_for_critical_rules_only(lake: Lake) -> None:
    rows = [response(1), response(2, response_id="r1"), response(3, status="failed", response=None, reason="timeout")]
    write(lake, "responses", rows)
    failed = {result.expectation for result in check(lake, "responses").values() if not result.passed}
    assert failed == {"responses__response_id_unique", "responses__share_of_failures"}
    (message,) = unmet(lake, "responses", partition_of("responses"), SUITES)
    assert "responses__response_id_unique failed (2 unexpected" in message
    assert "mix the ratings of two answers" in message


def test_a_partition_must_be_named_in_full(lake: Lake) -> None:
    with pytest.raises(ValueError, match="responses is partitioned by"):
        unmet(lake, "responses", {"model": "plain"}, SUITES)


def test_what_is_kept_has_the_catalogue_s_shape(lake: Lake) -> None:
    write(lake, "selected_prompts", [selected("p1", selected=False, reason="not_sampled")])
    check(lake, "selected_prompts")
    kept = lake.read("expectation_results", {"table": "selected_prompts"})
    assert kept.columns == TABLES["expectation_results"].column_names
    assert kept["partition"].unique().to_list() == ["starter"]
    assert kept.filter(~kept["passed"])["expectation"].to_list() == ["selected_prompts__some_are_selected"]
