"""What is asked: one request for each prompt and sample, known by the hash of all that decides its answer.

Belongs here: rendering messages and sampling parameters into a request, and its ids. Does not
belong here: prices, limits and addresses, which change how a request is sent but not its answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic_core import to_json

from dagster_project.errors import SteerworksError
from dagster_project.generation.replies import Outcome, read_answer, read_embedding, read_likelihood
from dagster_project.identity import canonical_json, stable_id
from dagster_project.lake import Lake
from dagster_project.settings import ModelsFile, ModelSpec

Message = Mapping[str, str]
PROMPT_COLUMNS = ("prompt_id", "messages", "conversation_hash", "selected")
CHAT, EMBEDDINGS, COMPLETIONS = "chat/completions", "embeddings", "completions"
BYTES_A_TOKEN = 4
"""Of English text, about."""
LONGEST_MESSAGE_MARKS = 16
"""Allowance, in tokens, for the marks that a chat template puts around each message."""


class Request(NamedTuple):
    """One request to one model.

    ``body`` is the JSON object as sent; ``parameters`` is the JSON text of its sampling parameters
    and system prompt, as the `responses` table keeps it; ``conversation_hash`` is of the messages
    without that system prompt, as `selected_prompts` has it; ``max_tokens`` is the most that the answer may have.
    ``route`` is where it goes, below the endpoint's address; where likelihoods are asked for, the characters of the
    prompt count from ``scored_from`` on.
    """

    model: str
    prompt_batch: str
    prompt_id: str
    sample_index: int
    body: dict[str, Any]
    parameters: str
    conversation_hash: str
    request_hash: str
    max_tokens: int
    route: str = CHAT
    scored_from: int = 0

    def read(self, body: bytes) -> Outcome:
        """Read the body of a reply with status 200."""
        if self.route == EMBEDDINGS:
            return read_embedding(body)
        return read_likelihood(body, self.scored_from) if self.route == COMPLETIONS else read_answer(body)

    @property
    def messages(self) -> list[dict[str, str]]:
        """The conversation as rendered: the model's system prompt first, if it has one."""
        rendered: list[dict[str, str]] = self.body["messages"]
        return rendered

    @property
    def response_id(self) -> str:
        """The id that the answer has in the `responses` table."""
        return stable_id("r", [self.model, self.prompt_id, self.request_hash])

    @property
    def most_prompt_tokens(self) -> int:
        """A bound on the tokens that the server reads: a token is at least one byte of text."""
        return sum(len(text.encode()) + LONGEST_MESSAGE_MARKS for text in self._texts)

    @property
    def _texts(self) -> list[str]:
        if self.route == CHAT:
            return [message["content"] for message in self.messages]
        return [self.body["input" if self.route == EMBEDDINGS else "prompt"]]

    @property
    def likely_prompt_tokens(self) -> int:
        """A guess of the tokens that the server reads."""
        return self.most_prompt_tokens // BYTES_A_TOKEN


class RequestForm:
    """Renders requests to one model; what all of them share is worked out once.

    Args:
        models: endpoints and models.
        model: slug of the model.

    Attributes:
        parameters: for each sample, the JSON text of its sampling parameters and system prompt.

    Raises:
        SteerworksError: no model has this slug.
    """

    def __init__(self, models: ModelsFile, model: str) -> None:
        self.model = model
        self.spec = spec_of(models, model)
        self._system = [{"role": "system", "content": self.spec.system_prompt}] if self.spec.system_prompt else []
        self._samplings = [_sampling_as_sent(self.spec, index) for index in range(self.spec.samples)]
        # An empty system prompt is not sent, so it makes no difference.
        system = self.spec.system_prompt or None
        self.parameters = [canonical_json({**sampling, "system_prompt": system}) for sampling in self._samplings]
        self._before_messages = canonical_json({"endpoint": self.spec.endpoint})[:-1].encode()
        self._after_messages = [self._rest_of_what_decides(index) for index in range(self.spec.samples)]

    def request(
        self,
        prompt_batch: str,
        prompt_id: str,
        conversation: Sequence[Message],
        sample_index: int = 0,
        known_hash: str | None = None,
        response_format: Mapping[str, Any] | None = None,
    ) -> Request:
        """Render one request; ``known_hash`` is the conversation's, where it is known already.

        ``response_format`` is the shape of a structured answer, as the chat API takes it.

        The hash covers the messages as rendered, the endpoint's and the model's name, the revision, the
        sampling parameters as sent and the sample index; so a changed temperature asks anew, and a
        changed price, limit or address does not. The endpoint counts by its name in models.yaml: two
        endpoints may serve different weights, on different terms, under one model name.
        """
        messages = self._system + _plain(conversation)
        shape = {"response_format": dict(response_format)} if response_format else {}
        return Request(
            model=self.model,
            prompt_batch=prompt_batch,
            prompt_id=prompt_id,
            sample_index=sample_index,
            body={"model": self.spec.name, "messages": messages, **self._samplings[sample_index], **shape},
            parameters=self.parameters[sample_index],
            conversation_hash=known_hash or conversation_hash(conversation),
            request_hash=self._hash(messages, sample_index, shape),
            max_tokens=self.spec.sampling.most_tokens,
        )

    def _hash(self, messages: Sequence[Message], sample_index: int, shape: Mapping[str, Any]) -> str:
        """Return the digest of all that decides the answer; what stands around the messages is rendered once."""
        rest = self._rest_of_what_decides(sample_index, shape) if shape else self._after_messages[sample_index]
        return hashlib.sha256(self._before_messages + b',"messages":' + _canonical(messages) + rest).hexdigest()

    def _rest_of_what_decides(self, sample_index: int, shape: Mapping[str, Any] | None = None) -> bytes:
        """Return the end of the canonical JSON: what comes after the messages by its name."""
        rest = {
            "name": self.spec.name,
            "revision": self.spec.revision,
            "sampling": self._samplings[sample_index],
            "sample_index": sample_index,
            **(shape or {}),
        }
        return b"," + canonical_json(rest)[1:].encode()

    def of_cell(self, lake: Lake, prompt_batch: str, rows: int) -> Iterator[list[Request]]:
        """Yield the requests of one cell, those to at most ``rows`` prompts at a time, by prompt id and sample.

        Each selected prompt is asked as often as the model has samples.

        Raises:
            SteerworksError: the batch has no `selected_prompts`.
        """
        partition = {"prompt_batch": prompt_batch}
        if not lake.exists("selected_prompts", partition):
            raise SteerworksError(
                f"the prompt batch `{prompt_batch}` has no `selected_prompts` yet. Take its prompts in, and "
                "materialise `selected_prompts` for it, first."
            )
        for batch in lake.batches("selected_prompts", partition, PROMPT_COLUMNS, rows):
            yield [
                self.request(prompt_batch, row["prompt_id"], row["messages"], sample_index, row["conversation_hash"])
                for row in batch.to_pylist()
                if row["selected"]
                for sample_index in range(self.spec.samples)
            ]


def requests_in_cell(lake: Lake, spec: ModelSpec, prompt_batch: str) -> int:
    """Return how many requests a cell has, without rendering them; 0 if its prompts are not selected yet."""
    batches = lake.batches("selected_prompts", {"prompt_batch": prompt_batch}, ["selected"], 1 << 16)
    selected: int = sum(batch.column(0).true_count for batch in batches)
    return spec.samples * selected


def conversation_hash(conversation: Sequence[Message]) -> str:
    """Return the hash of a conversation, by which an answer is known to belong to exactly these turns."""
    return hashlib.sha256(_canonical(conversation)).hexdigest()


def spec_of(models: ModelsFile, model: str) -> ModelSpec:
    """Return one model.

    Raises:
        SteerworksError: no model has this slug.
    """
    if model not in models.models:
        raise SteerworksError(
            f"there is no model `{model}` in models.yaml; it has: {', '.join(sorted(models.models))}."
        )
    return models.models[model]


def _canonical(messages: Sequence[Message]) -> bytes:
    """Return the canonical JSON of messages, as `identity.canonical_json` would, in a third of the time."""
    return to_json([{"content": message["content"], "role": message["role"]} for message in messages])


def _plain(conversation: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": turn["role"], "content": turn["content"]} for turn in conversation]


def _sampling_as_sent(spec: ModelSpec, sample_index: int) -> dict[str, Any]:
    """A fixed seed would give every sample of a prompt the same answer, so each sample has its own."""
    sampling = spec.sampling.as_sent()
    if "seed" in sampling:
        sampling["seed"] += sample_index
    return sampling
