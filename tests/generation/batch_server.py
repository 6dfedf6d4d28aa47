"""A Batch API made by hand: a test decides what its files say, and what it replies in place of what it should.

Belongs here: the server. Does not belong here: what is expected of its clients.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]
Lines = Callable[[list[Body]], bytes | None]
_ID = re.compile(r"/v1/(files|batches)/([^/]+)")


def answered(entry: Body, status: int = 200, **body: Any) -> bytes:
    """A line of an output file."""
    said = f"Answer to {entry['body']['messages'][-1]['content']}"
    usage = {"prompt_tokens": 5, "completion_tokens": 10, "total_tokens": 15}
    whole = {"choices": [{"message": {"content": said}, "finish_reason": "stop"}], "usage": usage}
    line = {"custom_id": entry["custom_id"], "response": {"status_code": status, "body": body or whole}, "error": None}
    return json.dumps(line).encode() + b"\n"


def unanswered(entry: Body, code: str = "batch_expired") -> bytes:
    """A line of an error file about a request that was never worked on."""
    line = {"custom_id": entry["custom_id"], "response": None, "error": {"code": code, "message": "no time"}}
    return json.dumps(line).encode() + b"\n"


def all_answered(entries: list[Body]) -> bytes:
    """An output file that answers everything."""
    return b"".join(answered(entry) for entry in entries)


@dataclass(frozen=True)
class Reply:
    """A reply in place of the usual one: ``status`` 0 is none at all; ``done`` says that the work is done first."""

    status: int
    body: bytes = b""
    done: bool = False


@dataclass
class BatchServer:
    """Every batch ends at once, as the fields say at that time.

    ``instead`` holds replies by name of the call: upload, create, list, batch, content; each is used once. A call
    named by ``hang_in`` hangs, before or after its work, until `let_go`.
    """

    output: Lines = all_answered
    errors: Lines = lambda entries: None
    status: str = "completed"
    problems: list[Body] = field(default_factory=list)
    keeps_marks: bool = True
    newest_first: bool = True
    instead: dict[str, list[Reply]] = field(default_factory=lambda: defaultdict(list))
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, Body] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    hang_in: str = ""
    hang_after: bool = False
    hangs: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    def let_go(self) -> None:
        """Hang no longer."""
        self.hang_in = ""
        self.goes_on.set()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def handed_in(self) -> Counter[str]:
        """How often each request is in a batch."""
        entries = (entry for batch in self.batches.values() for entry in self._entries(batch["input_file_id"]))
        return Counter(entry["custom_id"] for entry in entries)

    def reply(self, call: str, the_id: str, sent: bytes) -> Reply:
        self.calls[call] += 1
        instead = self.instead[call].pop(0) if self.instead[call] else None
        if instead and not instead.done:
            return instead
        if call == self.hang_in and not self.hang_after:
            self.hangs.set()
            self.goes_on.wait(60)
            return Reply(0)
        usual: Reply = getattr(self, f"_{call}")(the_id, sent)
        if call == self.hang_in:
            self.hangs.set()
            self.goes_on.wait(60)
        return instead or usual

    def _upload(self, _: str, sent: bytes) -> Reply:
        file = f"file-{len(self.files)}"
        parts = sent.split(b"\r\n\r\n")
        content = next(part for part in parts if part.lstrip().startswith(b'{"custom_id"'))
        self.files[file] = content.rpartition(b"\r\n--")[0]
        return _json({"id": file, "object": "file", "purpose": "batch"})

    def _create(self, _: str, sent: bytes) -> Reply:
        wanted = json.loads(sent)
        entries, batch_id = self._entries(wanted["input_file_id"]), f"batch_{len(self.batches)}"
        batch = {
            "id": batch_id,
            "object": "batch",
            "input_file_id": wanted["input_file_id"],
            "created_at": int(time.time()) - 7200 * (not self.newest_first),
            "status": self.status,
            "errors": {"object": "list", "data": self.problems} if self.problems else None,
            "metadata": wanted.get("metadata") if self.keeps_marks else None,
        }
        for name, lines in (("output", self.output(entries)), ("error", self.errors(entries))):
            batch[f"{name}_file_id"] = f"{name}-of-{batch_id}" if lines is not None else None
            if lines is not None:
                self.files[f"{name}-of-{batch_id}"] = lines
        self.batches[batch_id] = batch
        return _json(batch)

    def _chat(self, _: str, sent: bytes) -> Reply:
        return _json(json.loads(answered({"custom_id": "", "body": json.loads(sent)}))["response"]["body"])

    def _batch(self, the_id: str, _: bytes) -> Reply:
        return _json(self.batches[the_id]) if the_id in self.batches else _json({"error": {"message": "none"}}, 404)

    def _list(self, _: str, __: bytes) -> Reply:
        batches = list(self.batches.values())
        return _json({"object": "list", "data": batches[::-1] if self.newest_first else batches, "has_more": False})

    def _content(self, the_id: str, _: bytes) -> Reply:
        return Reply(200, self.files[the_id]) if the_id in self.files else _json({"error": {"message": "none"}}, 404)

    def _entries(self, file: str) -> list[Body]:
        return [json.loads(line) for line in self.files[file].splitlines()]


def _json(fields: Body, status: int = 200) -> Reply:
    return Reply(status, json.dumps(fields).encode())


_POSTS = {"/v1/files": "upload", "/v1/batches": "create", "/v1/chat/completions": "chat"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    batch_server: BatchServer

    def do_POST(self) -> None:
        self._reply(_POSTS[self.path])

    def do_GET(self) -> None:
        self._reply("content" if self.path.endswith("/content") else "batch" if _ID.match(self.path) else "list")

    def _reply(self, call: str) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = _ID.match(self.path)
        reply = self.batch_server.reply(call, found[2] if found else "", sent)
        self.close_connection = not reply.status
        if reply.status:
            self.send_response(reply.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply.body)))
            self.send_header("x-should-retry", "false")  # which the client heeds: tests need not wait for it
            self.end_headers()
            self.wfile.write(reply.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
        """Say nothing."""


@contextmanager
def serve_batches(server: BatchServer) -> Iterator[BatchServer]:
    """Serve for as long as the context lasts; at the same port when it is served again."""
    handler = type("Handler", (_Handler,), {"batch_server": server})
    with ThreadingHTTPServer(("127.0.0.1", server.port), handler) as http:
        server.port = http.server_port
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
