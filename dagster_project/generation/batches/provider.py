"""A provider's Batch API, told apart from what a stranger may say in its place: files and batches, up, down, found.

Replies are read as they came: the client's typed models take whatever is sent, and fail where it is used. Belongs
here: calls, and what their replies and failures mean. Does not belong here: what is handed in and when (`desk`),
and the lines of files (`lines`).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from dagster_project.errors import SteerworksError
from dagster_project.generation.batches.log import BatchRecord
from dagster_project.generation.channel import KEPT
from dagster_project.generation.endpoints import Connection
from dagster_project.generation.replies import DETAIL_CHARACTERS, LOOKED_THROUGH, Answered, Dead, read_reply
from dagster_project.identity import digest

ENDED = frozenset({"completed", "expired", "failed", "cancelled"})
MARK = "steerworks"
"""The key under which the provider keeps our mark of a batch."""
PAGE = 100
_NO_ROOM = ("token_limit_exceeded", "enqueued token limit")
_NOT_KNOWN = frozenset({408, 409})
"""After these, among the refusals, a batch may have been taken all the same."""


class ProviderError(SteerworksError):
    """The provider cannot be reached or refuses, or says what is no reply.

    Attributes:
        status: of the reply; None if there was none, or one that cannot be read.
        words: the provider's own.
        is_refusal: whether it is sure that nothing was taken.
        is_for_want_of_room: whether the same may be taken later.
    """

    def __init__(self, text: str, status: int | None = None, words: str = "", needs_a_person: bool = False) -> None:
        super().__init__(text)
        self.status = status
        self.words = words
        self.is_refusal = status is not None and 400 <= status < 500 and status not in _NOT_KNOWN
        said_so = status == 429 or is_want_of_room(words)
        self.is_for_want_of_room = self.is_refusal and said_so and not needs_a_person


def is_want_of_room(words: str) -> bool:
    """Say whether a provider turns a batch down only because too much is waiting there already."""
    return any(mark in words.lower() for mark in _NO_ROOM)


@dataclass(frozen=True, slots=True)
class ProviderBatch:
    """A batch as the provider sees it; ``problem`` is why it was turned down, in the provider's words."""

    id: str
    status: str
    files: tuple[str, ...] = ()
    problem: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether it brings no more than it has."""
        return self.status in ENDED


class _Raw(Protocol):
    @property
    def content(self) -> bytes:
        """The bytes of the reply."""


class BatchProvider:
    """The Batch API of one model's endpoint. No secret is in any of its errors.

    Args:
        model: slug of the model, for messages.
        connection: to its endpoint.
        tries: again, where a call may be made twice and fails.

    Attributes:
        account: tells whether it is the same address and key as another time.
    """

    def __init__(self, model: str, connection: Connection, tries: int) -> None:
        self.account = digest([connection.address, connection.api_key])[:16]
        self._where = f"model `{model}`: the Batch API of the endpoint `{connection.name}` at {connection.address}"
        self._secrets = connection.secrets
        self._once = connection.client.with_options(max_retries=0)
        self._client = connection.client.with_options(max_retries=tries)

    async def upload(self, name: str, content: bytes) -> str:
        """Upload an input file, and return its id.

        Raises:
            ProviderError: it is not there.
        """
        file = (f"{name}.jsonl", content)
        return self._id(await self._json(self._client.files.with_raw_response.create(file=file, purpose="batch")))

    async def create(self, file_id: str, mark: str, window: str) -> str:
        """Create a batch, and return its id. Not tried again: if the reply is lost, it may be there all the same.

        Raises:
            ProviderError: it is not known to be there; ``is_refusal`` says whether it is known not to be.
        """
        call = self._once.batches.with_raw_response.create(
            input_file_id=file_id,
            endpoint="/v1/chat/completions",
            completion_window=window,  # type: ignore[arg-type]
            metadata={MARK: mark},
        )
        return self._id(await self._json(call))

    async def batch(self, record: BatchRecord) -> ProviderBatch | None:
        """Return a batch as the provider sees it; None if there is none that a crash left without its id.

        Raises:
            ProviderError: that cannot be said.
        """
        if record.batch_id is not None:
            fields = await self._json(self._client.batches.with_raw_response.retrieve(record.batch_id))
            return self._batch(fields)
        async for fields in self._batches():
            mark = fields["metadata"].get(MARK) if isinstance(fields.get("metadata"), Mapping) else None
            # Not every provider keeps a mark; all of them keep which file a batch was made from.
            if mark == record.mark or (record.file_id is not None and fields.get("input_file_id") == record.file_id):
                return self._batch(fields)
        return None

    async def lists_batches(self) -> bool:
        """Say whether there is a Batch API at all, so that a batch it does not know is not there."""
        try:
            await self._json(self._client.batches.with_raw_response.list(limit=1))
        except ProviderError:
            return False
        return True

    async def content(self, file_id: str) -> bytes | None:
        """Return what is in a file; None if the provider no longer has it.

        Raises:
            ProviderError: it cannot be had now.
        """
        try:
            return await self._bytes(self._client.files.with_raw_response.content(file_id))
        except ProviderError as error:
            if error.status == 404:
                return None
            raise

    async def _batches(self) -> AsyncIterator[Mapping[str, Any]]:
        """Yield all batches, page by page, for as long as a page brings new ones."""
        seen: set[str] = set()
        after: dict[str, str] = {}
        while True:
            page = await self._json(self._client.batches.with_raw_response.list(limit=PAGE, **after))  # type: ignore[arg-type]
            data = page.get("data")
            new = [b for b in data if isinstance(b, dict) and b.get("id") not in seen] if isinstance(data, list) else []
            for fields in new:
                yield fields
            if not new or page.get("has_more") is False:
                return
            seen |= {str(fields.get("id")) for fields in new}
            after = {"after": self._id(new[-1])}

    def _batch(self, fields: Mapping[str, Any]) -> ProviderBatch:
        files = (fields.get("output_file_id"), fields.get("error_file_id"))
        return ProviderBatch(
            self._id(fields),
            str(fields.get("status")),
            tuple(file for file in files if isinstance(file, str) and file),
            self._secrets.masked(_words(fields.get("errors")))[: 3 * DETAIL_CHARACTERS],
        )

    def _id(self, fields: Mapping[str, Any]) -> str:
        if not isinstance(fields.get("id"), str) or not fields["id"]:
            raise self._unreadable(json.dumps(fields).encode())
        if self._secrets.may_be_in(fields["id"].encode()):
            shown = self._secrets.masked(fields["id"])
            raise ProviderError(
                f"{self._where} gives the id {shown}, which repeats a secret; ids are kept in files. Take `batch` out "
                f"of the model in models.yaml, and run again. {KEPT}"
            )
        return str(fields["id"])

    async def _json(self, call: Awaitable[_Raw]) -> Mapping[str, Any]:
        content = await self._bytes(call)
        try:
            fields = json.loads(content)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            raise self._unreadable(content)
        return fields

    async def _bytes(self, call: Awaitable[_Raw]) -> bytes:
        async with self._explained():
            return (await call).content

    def _unreadable(self, content: bytes) -> ProviderError:
        words = self._secrets.masked(content[:LOOKED_THROUGH].decode("utf-8", "replace"))[:DETAIL_CHARACTERS]
        return ProviderError(
            f"{self._where} says what is no reply of a Batch API: {words or 'nothing'}. Mend the endpoint's "
            f"`base_url`, or take `batch` out of the model in models.yaml, and run again. {KEPT}"
        )

    @asynccontextmanager
    async def _explained(self) -> AsyncIterator[None]:
        """Say what the client's exceptions mean."""
        import openai  # noqa: PLC0415 - loads slowly

        try:
            yield
        except openai.APIStatusError as error:
            outcome = read_reply(error.status_code, error.response.content, error.response.headers, self._secrets)
            problem = outcome.problem if isinstance(outcome, Dead) else f"answers with status {error.status_code}"
            words = outcome.detail if not isinstance(outcome, Answered) else ""
            is_dead = isinstance(outcome, Dead)
            advice = "Mend" if is_dead else "Run again; if it stays so, mend"
            raise ProviderError(
                f"{self._where} {problem}, and says: {words}. {advice} the endpoint or the key, or take "
                f"`batch` out of the model in models.yaml. {KEPT}",
                error.status_code,
                words,
                needs_a_person=is_dead,
            ) from None
        except openai.APIConnectionError as error:
            words = self._secrets.masked(str(error.__cause__ or error))
            raise ProviderError(f"{self._where} cannot be reached ({words}). Run again when it can. {KEPT}") from None


def _words(errors: Any) -> str:
    """Return what the errors of a batch say."""
    data = errors.get("data") if isinstance(errors, dict) else errors
    told = [error for error in data if isinstance(error, dict)] if isinstance(data, list) else []
    said = [" | ".join(str(error[key]) for key in ("message", "code") if error.get(key)) for error in told]
    return "; ".join(words for words in said[:5] if words)[:LOOKED_THROUGH]
