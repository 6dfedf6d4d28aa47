"""Compares the `responses` of a lake with what was wanted: `python -m bench.audit FOLDER WORKLOAD`; prints JSON.

The server's answer follows from the request by rule, so an answer to another request than the one wanted now is seen.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from bench.prepare import prompt_id
from bench.workload import Workload
from dagster_project.lake import Lake
from dagster_project.loopback.models import answer_to


def audit(lake: Lake, workload: Workload) -> dict[str, Any]:
    """Return how many requests were ``wanted``, are ``ok``, ``failed`` (by reason), ``stale`` and there ``twice``.

    An answer that is stale is not ok.
    """
    count: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for slug, batch in workload.cells():
        answers = {prompt_id(batch, n): answer_to(workload.body(slug, batch, n)) for n in range(workload.prompts)}
        rows = lake.read("responses", {"model": slug, "prompt_batch": batch})
        count["twice"] += len(rows) - rows["prompt_id"].n_unique()
        for key, status, reason, response in rows.select("prompt_id", "status", "reason", "response").iter_rows():
            if status != "ok":
                failed[reason] += 1
            elif answers.get(key) == response:
                count["ok"] += 1
            else:
                count["stale"] += 1
    return {
        "wanted": workload.requests,
        "ok": count["ok"],
        "failed": failed,
        "stale": count["stale"],
        "twice": count["twice"],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(audit(Lake(Path(sys.argv[1]) / "lake"), Workload.from_json(sys.argv[2]))))
