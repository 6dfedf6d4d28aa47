"""What is asked: one request for each prompt and sample, known by the hash of all that decides its answer.

Belongs here: rendering messages and sampling parameters into a request, and its ids. Does not
belong here: prices, limits and addresses, which change how a request is sent but not its answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dagster_project.errors import SteerworksError
from dagster_project.identity import canonical_json, digest, stable_id
from dagster_project.settings import ModelsFile, ModelSpec

Message = Mapping[str, str]


@dataclass(frozen=True)
class Request:
    """One request to one model.

    ``body`` is the JSON object as sent; ``parameters`` is the JSON text of its sampling parameters
    and system prompt, as the `responses` table keeps it; ``conversation_hash`` is of the messages
    without that system prompt, as `selected_prompts` has it.
    """

    model: str
    prompt_batch: str
    prompt_id: str
    sample_index: int
    body: dict[str, Any]
    parameters: str
    conversation_hash: str
    request_hash: str

    @property
    def messages(self) -> list[dict[str, str]]:
        """The conversation as rendered: the model's system prompt first, if it has one."""
        rendered: list[dict[str, str]] = self.body["messages"]
        return rendered

    @cached_property
    def response_id(self) -> str:
        """The id that the answer has in the `responses` table."""
        return stable_id("r", [self.model, self.prompt_id, self.request_hash])


def make_request(
    models: ModelsFile,
    model: str,
    prompt_batch: str,
    prompt_id: str,
    conversation: Sequence[Message],
    sample_index: int = 0,
) -> Request:
    """Render one request.

    The hash covers the messages as rendered, the endpoint's and the model's name, the revision, the
    sampling parameters as sent and the sample index; so a changed temperature asks anew, and a
    changed price, limit or address does not. The endpoint counts by its name in models.yaml: two
    endpoints may serve different weights, on different terms, under one model name.
    """
    spec = spec_of(models, model)
    system = [{"role": "system", "content": spec.system_prompt}] if spec.system_prompt else []
    messages = system + _plain(conversation)
    sampling = _sampling_as_sent(spec, sample_index)
    asked = {
        "messages": messages,
        "endpoint": spec.endpoint,
        "name": spec.name,
        "revision": spec.revision,
        "sampling": sampling,
        "sample_index": sample_index,
    }
    return Request(
        model=model,
        prompt_batch=prompt_batch,
        prompt_id=prompt_id,
        sample_index=sample_index,
        body={"model": spec.name, "messages": messages, **sampling},
        parameters=canonical_json({**sampling, "system_prompt": spec.system_prompt}),
        conversation_hash=conversation_hash(conversation),
        request_hash=digest(asked),
    )


def conversation_hash(conversation: Sequence[Message]) -> str:
    """Return the hash of a conversation, by which an answer is known to belong to exactly these turns."""
    return digest(_plain(conversation))


def requests_of_cell(
    models: ModelsFile, model: str, prompt_batch: str, prompts: Iterable[Mapping[str, Any]]
) -> list[Request]:
    """Return the requests of one cell: each selected prompt, as often as the model has samples.

    Args:
        models: endpoints and models.
        model: slug of the model.
        prompt_batch: the batch that the prompts are of.
        prompts: rows of `selected_prompts`; only those with ``selected`` are asked.
    """
    return [
        make_request(models, model, prompt_batch, prompt["prompt_id"], prompt["messages"], sample_index)
        for prompt in prompts
        if prompt["selected"]
        for sample_index in range(spec_of(models, model).samples)
    ]


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


def _plain(conversation: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": turn["role"], "content": turn["content"]} for turn in conversation]


def _sampling_as_sent(spec: ModelSpec, sample_index: int) -> dict[str, Any]:
    """A fixed seed would give every sample of a prompt the same answer, so each sample has its own."""
    sampling = spec.sampling.model_dump(mode="json", exclude_none=True)
    if "seed" in sampling:
        sampling["seed"] += sample_index
    return sampling
