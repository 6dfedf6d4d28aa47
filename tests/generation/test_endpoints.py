"""The lean path: it sends what the `openai` package's client sends, loads none of it, and bears odd replies."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from dagster_project.generation import RequestForm
from dagster_project.generation.endpoints import connect
from dagster_project.generation.replies import Answered, Dead, Fault, Outcome
from dagster_project.settings import PROJECT_ROOT
from tests.generation.cells import BATCH, loopback_models

REPLY = b'{"choices":[{"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}]}'
OF_THE_CLIENT_ITSELF = {"user-agent", "accept-encoding", "connection", "content-length"}
Seen = list[tuple[str, dict[str, str]]]

ANSWER_A_CELL = """
import sys
from tests.generation.cells import BATCH, loopback_models, write_prompts
from dagster_project.generation import SilentProgress, answer_cell
from dagster_project.lake import Lake
from pathlib import Path
lake = Lake(Path(sys.argv[1]))
write_prompts(lake, ["Yes?"], BATCH)
assert answer_cell(lake, loopback_models(sys.argv[2]), "m", BATCH, SilentProgress()).ok == 1
assert "openai" not in sys.modules
"""


@contextmanager
def listening(certificate: Path | None = None) -> Iterator[tuple[str, Seen]]:
    """Answer whatever comes with the same reply; give the address and what came: path and headers."""
    seen: Seen = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(200)
            self.send_header("Content-Length", str(len(REPLY)))
            self.end_headers()
            self.wfile.write(REPLY)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        if certificate:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate)
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=[0.01]).start()
        yield f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}", seen
        server.shutdown()


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/some/where", ""])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"api_key_env": "TEST_KEY", "organization": "org-1", "headers": {"X-Team": "data"}},
        {"api_key_env": "TEST_KEY", "headers": {"authorization": "Basic abc", "OpenAI-Organization": "org-2"}},
    ],
)
def test_the_lean_path_sends_what_the_client_sends(
    path: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_KEY", "sk-test")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-environment")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")

    async def ask_both_ways(address: str) -> None:
        models = loopback_models(address, settings)
        request = RequestForm(models, "m").request(BATCH, "p-1", [{"role": "user", "content": "Yes?"}])
        async with connect(models, "m") as connection:
            outcome, _ = await connection.send(request)
            assert isinstance(outcome, Answered)
            await connection.client.chat.completions.with_raw_response.create(**request.body)

    with listening() as (address, seen):
        asyncio.run(ask_both_ways(address + path))
    [lean, through_the_client] = [(path, _of_the_endpoint(headers)) for path, headers in seen]
    assert lean == through_the_client


def _of_the_endpoint(headers: dict[str, str]) -> dict[str, str]:
    own = {name for name in headers if name.startswith("x-stainless-")} | OF_THE_CLIENT_ITSELF
    return {name: value for name, value in headers.items() if name not in own}


def test_answers_are_asked_for_without_loading_the_client(tmp_path: Any) -> None:
    with listening() as (address, _):
        command = [sys.executable, "-c", ANSWER_A_CELL, str(tmp_path), f"{address}/v1"]
        subprocess.run(command, check=True, cwd=PROJECT_ROOT)


def test_more_places_than_the_process_may_open_files_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with listening() as (address, seen):
        program = [sys.executable, "-c", ANSWER_A_CELL, str(tmp_path), f"{address}/v1"]
        limited = ["bash", "-c", 'ulimit -n 150; exec "$@"', "bash", *program]
        ended = subprocess.run(limited, check=False, cwd=PROJECT_ROOT, capture_output=True, text=True)
    assert "may open 150 files here, which is too few for `max_in_flight` 32 in models.yaml" in ended.stderr
    assert not seen


def test_a_certificate_that_is_not_trusted_is_told_at_once_and_can_be_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask(address: str) -> Outcome:
        models = loopback_models(address)
        request = RequestForm(models, "m").request(BATCH, "p-1", [{"role": "user", "content": "Yes?"}])
        async with connect(models, "m") as connection:
            return (await connection.send(request))[0]

    certificate = _self_signed(tmp_path)
    with listening(certificate) as (address, _):
        outcome = asyncio.run(ask(f"{address}/v1"))
        assert isinstance(outcome, Dead)
        assert "SSL_CERT_FILE" in outcome.problem
        assert "self-signed" in outcome.detail
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert asyncio.run(ask(f"{address}/v1")) == Answered("yes", "stop")


def _self_signed(folder: Path) -> Path:
    """Return a file with a key and a certificate for 127.0.0.1 that no authority has signed."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = (pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "loopback.pem"
    path.write_bytes(key.private_bytes(*plain) + certificate.public_bytes(pem))
    return path


class Stray(BaseHTTPRequestHandler):
    """Answers every request, in a header of 20 kB, and says the same again a little later, when nobody asks."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = {"role": "assistant", "content": f"To {asked['messages'][0]['content']}"}
        body = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
        for _ in range(2):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", "x" * 20_000)
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()
            time.sleep(0.02)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
        """Say nothing."""


def test_a_reply_to_nothing_is_not_taken_for_that_to_the_next_request() -> None:
    with served_by(Stray) as address:
        outcomes = asyncio.run(sent(address, ["one", "two"]))
    assert outcomes == [Answered("To one", "stop"), Answered("To two", "stop")]


class Endless(BaseHTTPRequestHandler):
    """Begins to answer, and never ends."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with suppress(ConnectionError):
            while True:
                self.wfile.write(b"100000\r\n" + b" " * (1 << 20) + b"\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
        """Say nothing."""


def test_a_reply_without_an_end_is_broken_off() -> None:
    with served_by(Endless) as address:
        [outcome] = asyncio.run(sent(address, ["one"]))
    assert isinstance(outcome, Fault)
    assert "no end" in outcome.detail
    assert outcome.replied
    assert outcome.may_cost


@contextmanager
def served_by(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01]).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()


async def sent(address: str, texts: list[str]) -> list[Outcome]:
    """Send some prompts, one after the other, over one connection."""
    models = loopback_models(address)
    form = RequestForm(models, "m")
    outcomes = []
    async with connect(models, "m") as connection:
        for text in texts:
            request = form.request(BATCH, f"p-{text}", [{"role": "user", "content": text}])
            outcomes.append((await connection.send(request))[0])
            await asyncio.sleep(0.1)
    return outcomes
