"""The Batch API by HTTP: files up and down, batches created, looked at, listed and cancelled.

Belongs here: addresses, parameters and their errors. Does not belong here: what becomes of a batch.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from dagster_project.loopback.asking import wrong_key
from dagster_project.loopback.batch_lines import count_lines
from dagster_project.loopback.batches import ENDED, Batch, Batches
from dagster_project.loopback.behaviour import Behaviour
from dagster_project.loopback.counters import Body, Counters
from dagster_project.loopback.files import Files
from dagster_project.loopback.plain_reply import json_reply
from dagster_project.loopback.rules import ENDPOINTS, Said, error

_PAGE = 20
_LARGEST_PAGE = 100
_THE_ID = 2
"""Which segment of an address is an id: /v1/files/ID/content."""


class BatchApi:
    """Replies to everything under /v1/files and /v1/batches."""

    def __init__(self, behaviour: Behaviour, counters: Counters) -> None:
        self.behaviour = behaviour
        self._files = Files()
        self._batches = Batches(self._files, counters)
        self._routes: dict[tuple[str, str], Callable[[web.BaseRequest, str], Awaitable[web.StreamResponse | Said]]] = {
            ("POST", "v1/files"): self._upload,
            ("GET", "v1/files/*"): self._file,
            ("DELETE", "v1/files/*"): self._delete,
            ("GET", "v1/files/*/content"): self._content,
            ("POST", "v1/batches"): self._create,
            ("GET", "v1/batches"): self._list,
            ("GET", "v1/batches/*"): self._batch,
            ("POST", "v1/batches/*/cancel"): self._cancel,
        }

    async def close(self) -> None:
        """Abandon the batches and delete the files."""
        await self._batches.close()
        self._files.close()

    async def reply(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """Return the reply to one request, or None if the address is another's."""
        segments = request.path.strip("/").split("/")
        the_id = "".join(segments[_THE_ID : _THE_ID + 1])
        segments[_THE_ID : _THE_ID + 1] = ["*"] if the_id else []
        handler = self._routes.get((request.method, "/".join(segments)))
        if handler is None:
            return None
        said = wrong_key(self.behaviour, request) or await handler(request, the_id)
        return json_reply(*said) if isinstance(said, Said) else said

    async def _upload(self, request: web.BaseRequest, _: str) -> Said:
        form = await request.post()
        file, purpose = form.get("file"), form.get("purpose")
        if not isinstance(file, web.FileField):
            return _bad("`file` is missing", "file")
        if purpose != "batch":
            return _bad("only files with the purpose `batch` are taken", "purpose")
        return Said(200, self._files.add(file.file, file.filename, purpose))

    async def _file(self, _: web.BaseRequest, file_id: str) -> Said:
        file = self._files.get(file_id)
        return Said(200, file) if file else _no_file(file_id)

    async def _content(self, _: web.BaseRequest, file_id: str) -> web.StreamResponse | Said:
        if self._files.get(file_id) is None:
            return _no_file(file_id)
        return web.Response(body=self._files.path(file_id).read_bytes(), content_type="application/octet-stream")

    async def _delete(self, _: web.BaseRequest, file_id: str) -> Said:
        if self._files.get(file_id) is None:
            return _no_file(file_id)
        self._files.delete(file_id)
        return Said(200, {"id": file_id, "object": "file", "deleted": True})

    async def _create(self, request: web.BaseRequest, _: str) -> Said:
        try:
            wanted = json.loads(await request.read())
        except ValueError:
            wanted = None
        if not isinstance(wanted, dict):
            return _bad("the body is no JSON object")
        if problem := self._problem(wanted):
            return problem
        batch = Batch(wanted["input_file_id"], wanted["endpoint"], wanted.get("metadata"), self.behaviour)
        self._batches.create(batch)
        return Said(200, batch.as_json())

    def _problem(self, wanted: Body) -> Said | None:
        file_id = wanted.get("input_file_id")
        file = self._files.get(file_id) if isinstance(file_id, str) else None
        if file is None or file["purpose"] != "batch":
            return _bad(f"no file `{file_id}` with the purpose `batch`", "input_file_id")
        if wanted.get("endpoint") not in ENDPOINTS:
            return _bad(f"the endpoint must be one of {', '.join(ENDPOINTS)}", "endpoint")
        if wanted.get("completion_window") != "24h":
            return _bad("the completion_window must be 24h", "completion_window")
        lines, most = count_lines(self._files.path(file["id"])), self.behaviour.batch_limit
        if lines > most:
            return error(400, f"the file has {lines} requests; a batch may have {most}", "too_many_tasks")
        return None

    async def _list(self, request: web.BaseRequest, _: str) -> Said:
        limit = request.query.get("limit", str(_PAGE))
        if not limit.isdecimal() or not 1 <= int(limit) <= _LARGEST_PAGE:
            return _bad(f"the limit must be from 1 to {_LARGEST_PAGE}", "limit")
        batches = self._batches.newest_first()
        if after := request.query.get("after"):
            last = self._batches.get(after)
            if last is None:
                return _no_batch(after)
            batches = batches[batches.index(last) + 1 :]
        page: list[Any] = [batch.as_json() for batch in batches[: int(limit)]]
        ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
        return Said(200, {"object": "list", "data": page, **ends, "has_more": len(batches) > len(page)})

    async def _batch(self, _: web.BaseRequest, batch_id: str) -> Said:
        batch = self._batches.get(batch_id)
        return Said(200, batch.as_json()) if batch else _no_batch(batch_id)

    async def _cancel(self, _: web.BaseRequest, batch_id: str) -> Said:
        batch = self._batches.get(batch_id)
        if batch is None:
            return _no_batch(batch_id)
        if batch.status in ENDED:
            return error(409, f"Cannot cancel a batch with status '{batch.status}'.", "invalid_state")
        self._batches.cancel(batch)
        return Said(200, batch.as_json())


def _bad(message: str, param: str | None = None) -> Said:
    return error(400, message, "invalid_value", param=param)


def _no_file(file_id: str) -> Said:
    return error(404, f"No such File object: {file_id}", "not_found", param="id")


def _no_batch(batch_id: str) -> Said:
    return error(404, f"No batch found with id '{batch_id}'.", "not_found", param="batch_id")
