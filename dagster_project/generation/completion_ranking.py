"""Which of several candidates for a turn is taken: the one with the best mean rank.

HelpSteer2 ranked 16 candidates by the mean rank of two reward models and of the likelihood of the user's next turn.
Here the ranks are of what can be had openly:

- length: candidates that were cut come after whole ones; then the nearer to the median of the candidates the better;
- repetition: the fewer three-word sequences it has twice, or copies from an earlier turn, the better;
- likelihood: the likelier the user's next turn is after it, the better, where an endpoint gives log-probabilities.

Belongs here: ranks, and the request for a likelihood. Does not belong here: asking, and which turn is written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

from dagster_project.generation.requests import COMPLETIONS, Message, Request, spec_of
from dagster_project.identity import digest
from dagster_project.settings import ModelsFile

WORDS_IN_SEQUENCE = 3
_SPEAKERS = {"user": "User:", "assistant": "Assistant:", "system": "System:"}


class Candidate(NamedTuple):
    """One candidate for a turn. ``likelihood`` is the mean log-probability of a token of the user's next turn."""

    text: str
    is_cut: bool
    likelihood: float | None = None


def best_of(candidates: Sequence[Candidate], earlier: Sequence[Message]) -> int:
    """Return the place of the best candidate; of equals the first. ``earlier`` are the turns before it."""
    typical = median(len(candidate.text) for candidate in candidates)
    said = set().union(*(_sequences(turn["content"]) for turn in earlier))
    signals: list[Callable[[Candidate], tuple[float, ...]]] = [
        lambda candidate: (candidate.is_cut, abs(math.log(len(candidate.text) / typical))),
        lambda candidate: (_repetition(candidate.text, said),),
    ]
    if all(candidate.likelihood is not None for candidate in candidates):
        signals.append(lambda candidate: (-(candidate.likelihood or 0.0),))
    ranks = [_ranks([signal(candidate) for candidate in candidates]) for signal in signals]
    means = [sum(each) for each in zip(*ranks, strict=True)]
    return means.index(min(means))


def likelihood_request(
    models: ModelsFile, model: str, prompt_batch: str, prompt_id: str, conversation: Sequence[Message], turn: str
) -> Request:
    """Ask how likely a user's turn is after a conversation, the candidate its last turn.

    The conversation is put as a plain transcript, which every model can read, and sent with ``echo`` and ``logprobs``
    to `/v1/completions`, as the lm-evaluation-harness does it; vLLM and others give the log-probability of each token
    then.
    """
    spec = spec_of(models, model)
    before = "\n\n".join(f"{_SPEAKERS[each['role']]} {each['content']}" for each in conversation) + "\n\nUser:"
    asked = {"likelihood_of": turn, "after": before}
    return Request(
        model=model,
        prompt_batch=prompt_batch,
        prompt_id=prompt_id,
        sample_index=0,
        body={
            "model": spec.name,
            "prompt": f"{before} {turn}",
            "max_tokens": 1,
            "temperature": 0,
            "echo": True,
            "logprobs": 1,
        },
        parameters="{}",
        conversation_hash=digest(asked),
        request_hash=digest({**asked, "endpoint": spec.endpoint, "name": spec.name, "revision": spec.revision}),
        max_tokens=1,
        route=COMPLETIONS,
        scored_from=len(before),
    )


def _ranks(values: Sequence[tuple[float, ...]]) -> list[float]:
    """Return ranks from the smallest, 0 first; equals share the mean of theirs."""
    return [sum(other < value for other in values) + (values.count(value) - 1) / 2 for value in values]


def _repetition(text: str, said: set[tuple[str, ...]]) -> float:
    """Return the share of a text's sequences that it has had before, or that were said before."""
    sequences = _sequences(text)
    return 1 - len(set(sequences) - said) / len(sequences) if sequences else 0.0


def _sequences(text: str) -> list[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return [tuple(words[place : place + WORDS_IN_SEQUENCE]) for place in range(len(words) - WORDS_IN_SEQUENCE + 1)]
