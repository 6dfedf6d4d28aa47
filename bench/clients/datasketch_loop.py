"""What one would write without Steerworks: `python -m bench.clients.datasketch_loop FILE`.

A plain loop over the prompts with datasketch's MinHash and its LSH in memory, the same windows, minima and threshold.
It finds near-duplicates and does nothing else: no filters, no table, nothing that a later batch could go on from.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from datasketch import MinHash, MinHashLSH

from dagster_project.curation.normalising import squeeze
from dagster_project.curation.signatures import MINIMA
from dagster_project.curation.windows import WINDOW_BYTES
from dagster_project.settings.curation import Duplicates


def main(path: Path) -> None:
    """Print how many prompts are near-duplicates of earlier ones, as JSON."""
    index = MinHashLSH(threshold=Duplicates().exclude_from, num_perm=MINIMA)
    found, planted, hit = 0, 0, 0
    with path.open() as file:
        for number, line in enumerate(file):
            row = json.loads(line)
            text = squeeze(row["prompt"])
            pieces = {text[at : at + WINDOW_BYTES].encode() for at in range(max(len(text) - WINDOW_BYTES + 1, 1))}
            signature = MinHash(MINIMA)
            signature.update_batch(list(pieces))
            known = bool(index.query(signature))
            found += known
            planted += row["kind"] == "changed"
            hit += known and row["kind"] == "changed"
            index.insert(number, signature)
    print(json.dumps({"near-duplicates": found, "missed": 1 - hit / max(planted, 1)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
