"""Pseudo-embeddings are always the same, and near each other for texts that share words."""

from __future__ import annotations

import math

import openai
import pytest

from dagster_project.loopback.models import Behaviour, serve_models
from tests.loopback.talking import talk


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_similar_texts_are_near_and_the_client_reads_both_encodings() -> None:
    texts = ["How do I bake a loaf of bread?", "How do I bake a cake?", "Explain quantum tunnelling, please"]
    with serve_models() as server, openai.OpenAI(base_url=server.address, api_key="k", max_retries=0) as client:
        replies = [
            client.embeddings.create(model="e", input=texts, **how) for how in ({}, {"encoding_format": "float"})
        ]
        counted = server.stats()["models"]["e"]
    bread, cake, physics = (item.embedding for item in replies[0].data)
    assert counted == {"requests": 2, "distinct": 2, "statuses": {"200": 2}}
    assert replies[1].data[0].embedding == pytest.approx(bread, abs=1e-6)
    assert len(bread) == 32
    assert math.hypot(*bread) == pytest.approx(1, abs=1e-5)
    assert cosine(bread, cake) > cosine(bread, physics) + 0.2


def test_embeddings_meet_the_same_faults_as_answers() -> None:
    with serve_models(Behaviour(p400=1)) as server:
        heard = talk(server, "/v1/embeddings", {"model": "e", "input": "x"})
        wrong = talk(server, "/v1/embeddings", {"model": "e", "input": [1, 2]})
    assert (heard.body["error"]["message"], wrong.status) == ("this prompt is refused on purpose", 400)
