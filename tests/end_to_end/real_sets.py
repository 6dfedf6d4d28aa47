"""Public annotation sets, reshaped to an imported campaign and a canonical delivery; no value is changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def as_tasks(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One task a rated item, with its one response."""
    return [
        {
            "task_id": f"task:{row['item_id']}",
            "prompt": row.get("prompt") or f"(item {row['item_id']})",
            "source": row["set"],
            "licence": "MIT",
            "responses": [
                {
                    "response_id": f"response:{row['item_id']}",
                    "response": row.get("response") or row["instance"],
                    "model": row.get("model"),
                }
            ],
        }
        for row in rows
    ]


def as_delivery(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a rating."""
    return [
        {
            "task_id": f"task:{row['item_id']}",
            "response_id": f"response:{row['item_id']}",
            "annotator": rating["annotator"],
            **rating["scores"],
            "submitted_at": "2024-01-01T00:00:00+00:00",
        }
        for row in rows
        for rating in row["ratings"]
    ]


def configure(config: Path, campaign: str, tasks: Path, attributes: list[str], deciding: str) -> None:
    """Add a vendor of fixed raters, a rubric of its own and an imported campaign."""
    rubric = {
        "name": campaign,
        "version": "1",
        "scale": {"lowest": 1, "highest": 5},
        "preference": False,
        "attributes": [{"name": n, "description": n, "decides": n == deciding} for n in attributes],
    }
    (config / f"rubric-{campaign}.yaml").write_text(yaml.safe_dump(rubric))
    _extend(config / "vendors.yaml", "vendors", campaign, {"licence": "MIT", "slots": "fixed"})
    _extend(
        config / "campaigns.yaml",
        "campaigns",
        campaign,
        {"vendor": campaign, "guideline_version": "1", "imported": str(tasks), "rubric": f"rubric-{campaign}.yaml"},
    )


def _extend(path: Path, section: str, key: str, value: dict[str, Any]) -> None:
    content = yaml.safe_load(path.read_text())
    content[section][key] = value
    path.write_text(yaml.safe_dump(content))
