"""Scores of how unsafe a text is, from a model that the user names.

Either a Python callable, ``module:name``, that takes a list of texts and returns a list of numbers
from 0 to 1; or an endpoint with OpenAI's moderation API, of whose category scores the highest
counts. Belongs here: asking them. Does not belong here: what follows from a score.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from dagster_project.errors import SteerworksError
from dagster_project.settings.curation import ModelScorer

Scorer = Callable[[Sequence[str]], list[float]]
TEXTS_AT_ONCE = 32
TIMEOUT_SECONDS = 120


def load_scorer(settings: ModelScorer) -> Scorer:
    """Return a function that scores texts.

    Raises:
        SteerworksError: there is no such callable. The function raises it where the model fails.
    """
    ask = _from_python(settings.callable) if settings.callable else _from_endpoint(settings)

    def score(texts: Sequence[str]) -> list[float]:
        scores = [float(one) for one in ask(texts)]
        if len(scores) != len(texts):
            name = settings.callable or settings.endpoint
            raise SteerworksError(f"the scorer {name} gave {len(scores)} scores for {len(texts)} texts. Mend it.")
        return scores

    return score


def _from_python(name: str) -> Callable[[Sequence[str]], Sequence[float]]:
    module, _, attribute = name.partition(":")
    try:
        found: Callable[[Sequence[str]], Sequence[float]] = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise SteerworksError(
            f"curation.yaml: filters.unsafe.scorer.callable: `{name}` cannot be imported: {error}. "
            "Install it beside Steerworks, or mend the name."
        ) from None
    return found


def _from_endpoint(settings: ModelScorer) -> Callable[[Sequence[str]], list[float]]:
    def ask(texts: Sequence[str]) -> list[float]:
        scores: list[float] = []
        for begin in range(0, len(texts), TEXTS_AT_ONCE):
            reply = _posted(settings, {"input": list(texts[begin : begin + TEXTS_AT_ONCE])})
            scores += [max(result["category_scores"].values()) for result in reply["results"]]
        return scores

    return ask


def _posted(settings: ModelScorer, body: dict[str, Any]) -> Any:
    url = f"{(settings.endpoint or '').rstrip('/')}/moderations"
    if not url.startswith(("http://", "https://")):
        raise SteerworksError(f"curation.yaml: filters.unsafe.scorer.endpoint: `{settings.endpoint}` is no address.")
    headers = {"Content-Type": "application/json"}
    if settings.api_key_env:
        headers["Authorization"] = f"Bearer {os.environ.get(settings.api_key_env, '')}"
    if settings.model:
        body = body | {"model": settings.model}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - the scheme is checked
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as reply:  # noqa: S310
            return json.load(reply)
    except (urllib.error.URLError, TimeoutError, json.JSONDecodeError) as error:
        raise SteerworksError(f"{url}: the scorer of unsafe prompts does not answer: {error}. Start it.") from None
