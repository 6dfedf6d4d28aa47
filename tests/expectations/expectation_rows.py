"""For each table, rows that meet every expectation of its suite, and rows that break each of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from dagster_project.lake import TABLES, Lake
from dagster_project.lake.types import BINARY, BOOL, STRING, TIME, ListOf, Type

Rows = list[dict[str, Any]]

PARTITIONS = {
    "prompt_batch": {"prompt_batch": "starter"},
    "campaign": {"campaign": "starter"},
    "model": {"model": "plain", "prompt_batch": "starter"},
}
USER = {"role": "user", "content": "Why is the sky blue?"}
ASSISTANT = {"role": "assistant", "content": "Because of Rayleigh scattering."}


def partition_of(table: str) -> dict[str, str]:
    return PARTITIONS[TABLES[table].partitions[0]]


def rows_of(table: str, given: Rows) -> pa.Table:
    """Fill each row's other columns with something plain of the right type."""
    described = TABLES[table]
    filled = [{c.name: None if c.nullable else _plain(c.type) for c in described.columns} | row for row in given]
    return pa.Table.from_pylist(filled, schema=described.schema)


def write(lake: Lake, table: str, given: Rows, part: str = "first") -> None:
    store = lake.write if TABLES[table].parts == "rebuilt" else lambda *rest: lake.add(*rest[:2], part, rest[2])
    store(table, partition_of(table), rows_of(table, given))


def _plain(kind: Type) -> Any:
    if isinstance(kind, ListOf):
        return []
    plain = {BOOL: False, BINARY: b"", STRING: "x", TIME: datetime(2026, 11, 1, tzinfo=UTC)}
    return plain.get(kind, 1)


def raw(number: int, **given: Any) -> dict[str, Any]:
    return {"intake_number": number, "row_number": number, "prompt_id": f"p{number}", "messages": [USER]} | given


def curated(number: int, **given: Any) -> dict[str, Any]:
    told = {"prompt_id": f"p{number}", "messages": [USER], "kept": True, "cluster": f"p{number}", "touches": []}
    return {"intake_number": number} | told | given


def clustered(number: int, **given: Any) -> dict[str, Any]:
    return {"intake_number": number, "same_text": number, "same_letters": number} | given


def selected(prompt: str, **given: Any) -> dict[str, Any]:
    return {"prompt_id": prompt, "messages": [USER], "selected": True} | given


def topic(name: str, **given: Any) -> dict[str, Any]:
    return {"topic_id": name, "words": ["sky"], "examples": ["p1"], "size": 3} | given


def graded(prompt: str, level: int, **given: Any) -> dict[str, Any]:
    return {"prompt_id": prompt, "level": level, "by_rule": level} | given


def response(number: int, **given: Any) -> dict[str, Any]:
    ids = {"model": "plain", "prompt_id": f"p{number}", "response_id": f"r{number}", "sample_index": 0}
    return ids | {"status": "ok", "response": "Because.", "finish_reason": "stop", "cost_usd": 0.0} | given


def task(name: str, position: int, **given: Any) -> dict[str, Any]:
    ids = {"task_id": name, "position": position, "prompt_id": f"p-{name}", "response_id": f"{name}-{position}"}
    return ids | {"response": f"Answer {position}", "model": f"m{position}", "outputs_may_train": True} | given


def rating(task_id: str, position: int, annotator: str, **given: Any) -> dict[str, Any]:
    ids = {"task_id": task_id, "position": position, "response_id": f"{task_id}-{position}", "annotator": annotator}
    return ids | {"scores": [3, 2, None], "preference": -1} | given


def delivered(number: int, **given: Any) -> dict[str, Any]:
    return rating("t1", 1, f"a{number}") | {"row_number": number, "seconds": 60.0} | given


def annotator(name: str, **given: Any) -> dict[str, Any]:
    return {"annotator": name, "trusted": True, "straight_lining": 0.1, "identical": 0.2, "flagged": 0.0} | given


def figure(statistic: str, value: float, shuffled: float | None, **given: Any) -> dict[str, Any]:
    names = {"stage": "retained", "attribute": "helpfulness", "statistic": statistic, "estimator": "pooled"}
    return names | {"value": value, "shuffled": shuffled} | given


def counted(bucket: int, **given: Any) -> dict[str, Any]:
    return {"bucket": bucket, "quantity": "pairs", "count": 3} | given


def published(task_id: str, position: int, **given: Any) -> dict[str, Any]:
    ids = {"task_id": task_id, "position": position, "response_id": f"{task_id}-{position}"}
    return ids | {"scores": [3, 2], "spreads": [1, 0], "n_annotators": 3} | given


def voice(name: str) -> dict[str, Any]:
    return {"annotator": name, "strength": -1, "justification": "Clearer.", "retained": True}


DUPLICATE = curated(
    2, prompt_id="p1", kept=False, reason="duplicate", detail="of 1", duplicate_of=1, similarity=1.0, cluster="p1"
)

SOUND: dict[str, Rows] = {
    "control_tasks": [{"task_id": "c1", "position": n, "kind": "gold"} for n in (1, 2)],
    "control_annotations": [{"task_id": "c1", "annotator": name, "kind": "repeat"} for name in "ab"],
    "raw_prompts": [*(raw(n) for n in range(1, 10)), raw(10, messages=[], defect="empty")],
    "prompt_signatures": [{"intake_number": n, "signature": bytes(128)} for n in (1, 2)],
    "prompt_verdicts": [{"intake_number": 1}, {"intake_number": 2, "reason": "too_short", "detail": "3 characters"}],
    "prompt_clusters": [
        clustered(1, cluster="p1"),
        clustered(2, nearest=1, same_letters=1, similarity=1.0, cluster="p1"),
    ],
    "curated_prompts": [curated(1), DUPLICATE],
    "topics": [topic("t1"), topic("t2", examples=["p2", "p3"])],
    "prompt_topics": [*({"prompt_id": f"p{n}", "topic_id": "t1"} for n in range(9)), {"prompt_id": "p9"}],
    "prompt_embeddings": [
        {"prompt_id": "p1", "vector": [0.5, 0.25]},
        {"prompt_id": "p2", "vector": [1.0, 0.0]},
        {"prompt_id": "p3", "reason": "context_overflow"},
    ],
    "prompt_complexity": [graded("p1", 1), graded("p2", 5, by_judge=5, judge="judge")],
    "selected_prompts": [
        selected("p1"),
        selected("p4", place=1),
        selected("p5", place=2, selected=False, reason="completion_failed: budget"),
        selected("p2", messages=[USER, ASSISTANT, USER], completion_model="plain", completion_licence="Apache-2.0"),
        selected("p3", selected=False, reason="not_sampled"),
    ],
    "responses": [*(response(n) for n in range(9)), response(9, status="failed", response=None, reason="timeout")],
    "annotation_tasks": [task("t1", 1), task("t1", 2), task("t2", 1, model=None), task("t2", 2, model=None)],
    "intake": [{"delivery_id": "d1", "file_rows": 40, "rows": 20, "accepted": 19, "quarantined": 1}],
    "deliveries": [delivered(1), delivered(2, scores=[None, None, None], flags=["not_english"], preference=None)],
    "quarantine": [{"rule": "unknown_task", "message": "Task t9 is not of this campaign."}],
    "annotations": [rating("t1", position, name) for position in (1, 2) for name in ("a", "b", "c")],
    "annotation_fates": [
        *({"row_number": n, "fate": "used"} for n in range(9)),
        {"row_number": 10, "fate": "superseded", "rule": "later_revision"},
    ],
    "delivery_accounts": [
        {"delivery_id": name, "delivered": 9, "used": 8, "control": 0, "superseded": 0, "duplicate": 1, "withdrawn": 0}
        | {"quarantined": 0, "unaccounted": 0}
        for name in ("d1", "total")
    ],
    "annotator_quality": [
        *(annotator(name) for name in "abcd"),
        annotator("e", trusted=False, rule="max_bias", figure=1.4, threshold=0.9),
    ],
    "top_up_tasks": [{"round": 2, "task_id": "t1", "annotators": 2, "reason": "disputed"}],
    "retained_annotations": [
        *(rating("t1", position, name, stage="kept") for position in (1, 2) for name in ("a", "b", "c")),
        *(rating("t1", position, "d", stage="closest", reason="not_closest") for position in (1, 2)),
    ],
    "agreement": [figure("quadratic_kappa", 0.8, 0.3), figure("task_retention", 0.9, 0.4, attribute="*")],
    "agreement_counts": [counted(bucket) for bucket in (0, 199)],
    "consensus": [published("t1", 1), published("t1", 2)],
    "preferences": [
        {"task_id": "t1", "strength": -2, "all_preferences": [voice("a"), voice("b")]},
        {"task_id": "t2", "reason": "tie"},
    ],
}

BROKEN: dict[str, list[Rows]] = {
    "control_tasks": [[{"task_id": "c1", "position": 1, "kind": "other"}] * 2],
    "control_annotations": [[{"task_id": "c1", "annotator": "a", "kind": "other"}] * 2],
    "raw_prompts": [
        [],
        [raw(1, messages=[USER, ASSISTANT | {"role": "wizard"}]), raw(1, licence=" ", defect="empty")],
    ],
    "prompt_signatures": [[{"intake_number": 1, "signature": b"short"}] * 2],
    "prompt_verdicts": [[{"intake_number": 1, "reason": "too_short"}] * 2],
    "prompt_clusters": [[clustered(1, nearest=2), clustered(1)]],
    "curated_prompts": [
        [
            curated(1, duplicate_of=2),
            curated(1, kept=False),
            curated(2, prompt_id="p1", messages=[ASSISTANT], licence="Unknown"),
            curated(2, messages=[{"role": "wizard", "content": " "}, USER], cluster="p9"),
            *(curated(n, kept=False, reason="too_long") for n in range(3, 40)),
        ],
    ],
    "topics": [[topic("t1", words=[], examples=[]), topic("t1", examples=["p1", "p2"], size=1)]],
    "prompt_topics": [[{"prompt_id": "p1", "topic_id": "t1", "is_far": True}, {"prompt_id": "p1", "topic_id": "t2"}]],
    "prompt_embeddings": [[{"prompt_id": "p1", "vector": [0.5]}, {"prompt_id": "p1", "vector": [0.5, 0.5]}]],
    "prompt_complexity": [[graded("p1", 6), graded("p1", 2, judge="judge", reason="unreadable")]],
    "selected_prompts": [
        [selected("p1", place=1), selected("p2", place=3)],
        [
            selected("p1", messages=[USER, USER | {"content": "\n"}]),
            selected("p1", reason="not_sampled", completion_model="plain"),
        ],
        [selected("p1", selected=False, reason="not_sampled")],
    ],
    "responses": [
        [
            response(1, status="okay"),
            response(1, cost_usd=-1.0, response=" ", finish_reason="length"),
            response(2, status="failed"),
        ],
    ],
    "annotation_tasks": [
        [],
        [
            task("t1", 1, outputs_may_train=False),
            task("t1", 1, response_id="t1-1", prompt_id="p9", model="m1", response="Answer 1"),
        ],
    ],
    "intake": [[{"delivery_id": "d1", "file_rows": 9, "rows": 10, "accepted": 5, "quarantined": 4}] * 2],
    "deliveries": [
        [
            delivered(1, preference=0, revision=0, round=0, seconds=0.1),
            delivered(1, scores=[None]),
        ],
    ],
    "quarantine": [[{"rule": "Unknown task!", "message": "no"}] * 2],
    "annotations": [
        [
            rating("t1", 0, "a", preference=0, response_id="t1-1"),
            rating("t1", 1, "a", preference=1, scores=[3]),
            rating("t2", 1, "a"),
            rating("t2", 2, "a"),
            rating("t2", 1, "b"),
        ],
    ],
    "annotation_fates": [[{"row_number": 1, "fate": "lost", "rule": None}] * 2],
    "delivery_accounts": [
        [
            {
                "delivery_id": "d1",
                "delivered": 9,
                "used": 7,
                "control": 0,
                "superseded": 0,
                "duplicate": 1,
                "withdrawn": 0,
            }
            | {"quarantined": 0, "unaccounted": 1}
        ]
        * 2,
    ],
    "annotator_quality": [
        [annotator("a", trusted=False, straight_lining=1.5, identical=-0.1, flagged=2.0), annotator("a")],
    ],
    "top_up_tasks": [[{"round": 1, "task_id": "t1", "annotators": 0, "reason": "because"}] * 2],
    "retained_annotations": [
        [
            rating("t1", 1, "a", stage="kept", reason="disputed"),
            rating("t1", 1, "a", stage="thrown_away", reason="unknown"),
            rating("t1", 2, "a", stage="closest", reason="not_closest"),
            rating("t1", 2, "b", stage="closest", reason="not_closest"),
        ],
    ],
    "agreement": [
        [
            figure("quadratic_kappa", 0.2, 0.3),
            figure("quadratic_kappa", 2.0, 0.3),
            figure("task_retention", -0.5, 0.3, stage="later", estimator="guess"),
            figure("kappa", 0.5, 0.3),
        ],
    ],
    "agreement_counts": [[counted(200), counted(200), counted(0, quantity="guesses"), counted(0, count=-1)]],
    "consensus": [
        [],
        [
            published("t1", 1, scores=[3, None], spreads=[-1, 0], n_annotators=0),
            published("t1", 1, scores=[3]),
        ],
    ],
    "preferences": [
        [
            {"task_id": "t1", "strength": 0, "reason": "bored", "all_preferences": [voice("a"), voice("a")]},
            {"task_id": "t1"},
            {"task_id": "t2", "reason": "tie"},
        ],
    ],
}
