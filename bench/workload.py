"""What is asked in a case: prompts, batches, models, and the bodies of the requests that follow.

Everything follows from a few numbers, so that the processes that prepare, ask and audit need nothing else to agree.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

Body = dict[str, Any]


@dataclass(frozen=True)
class Workload:
    """So many prompts in each of so many batches, for each of so many models.

    ``edited`` prompts, the first of each batch, have another text than before under the same id.
    """

    prompts: int
    batches: int = 1
    models: int = 1
    edited: int = 0
    max_tokens: int = 64

    @property
    def requests(self) -> int:
        """How many requests this is."""
        return self.prompts * self.batches * self.models

    @property
    def batch_names(self) -> list[str]:
        """The prompt batches."""
        return [f"batch-{number:04}" for number in range(self.batches)]

    @property
    def slugs(self) -> list[str]:
        """The models."""
        return [f"model-{number:02}" for number in range(self.models)]

    def cells(self) -> Iterator[tuple[str, str]]:
        """Yield model and batch of each cell."""
        for slug in self.slugs:
            for batch in self.batch_names:
                yield slug, batch

    def text(self, batch: str, number: int) -> str:
        """Return a prompt, about as long as a short question to an assistant."""
        again = " On second thoughts:" if number < self.edited else ""
        return (
            f"Question {number} of {batch}:{again} explain in plain words how {number} small boats cross a wide river "
            f"at night without lights, who must give way to whom, and what the {number % 17 + 2} oldest rules say."
        )

    def body(self, slug: str, batch: str, number: int) -> Body:
        """Return the body of one request."""
        messages = [{"role": "user", "content": self.text(batch, number)}]
        return {"model": f"simulated-{slug}", "messages": messages, **self.sampling}

    @property
    def sampling(self) -> dict[str, float]:
        """The sampling parameters of all models."""
        return {"max_tokens": self.max_tokens, "temperature": 0.5}

    def models_file(self, address: str, max_in_flight: int) -> dict[str, Any]:
        """Return what models.yaml says; of the endpoint's settings only these two are not the default."""
        terms = {"licence": "CC0-1.0", "outputs_may_train": True}
        spec = {"endpoint": "loopback", "revision": "1", "sampling": self.sampling, "terms": terms}
        return {
            "endpoints": {"loopback": {"base_url": address, "max_in_flight": max_in_flight}},
            "models": {slug: {**spec, "name": f"simulated-{slug}"} for slug in self.slugs},
        }

    def to_json(self) -> str:
        """Return the numbers, for the command line of another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Workload:
        """Return the workload that a command line names."""
        return cls(**json.loads(text))
