"""What became of a bare client's requests."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass


@dataclass
class Tally:
    """How many requests were answered, refused for good, and given up."""

    ok: int = 0
    refused: int = 0
    lost: int = 0

    def tell(self) -> None:
        """Print the counts as JSON."""
        sys.stdout.write(json.dumps(asdict(self)))
