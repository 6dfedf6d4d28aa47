"""What an endpoint is trusted with is in no file and no message, however its server repeats it."""

from __future__ import annotations

import base64
import html
import json
import string
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.errors import SteerworksError
from dagster_project.generation import answer_cell
from dagster_project.generation.endpoint_secrets import LONGEST_PART, Secrets
from dagster_project.lake import Lake
from tests.generation.cells import BATCH, Recorder, loopback_models, write_prompts

KEY = 'sk-"proj"\\4f/9+KdXw=7Qz%b&Lm<2>Ty'
Spelling = Callable[[str], str]


def as_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def in_code_points(text: str) -> str:
    return "".join(f"\\u{ord(character):04X}" for character in text)


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


SPELLINGS: dict[str, Spelling] = {
    "as it is": str,
    "JSON": as_json,
    "JSON with escaped slashes": lambda key: as_json(key).replace("/", "\\/"),
    "JSON in JSON": lambda key: as_json(as_json(key)),
    "code points": in_code_points,
    "an address": lambda key: quote(key, safe=""),
    "a form": quote_plus,
    "an address in an address": lambda key: quote(quote(key, safe=""), safe=""),
    "small letters in an address": lambda key: quote(key, safe="").replace("%2F", "%2f"),
    "HTML": html.escape,
    "HTML in HTML": lambda key: html.escape(html.escape(key)),
    "base64": in_base64,
    "base64 in an address": lambda key: quote(in_base64(key), safe=""),
    "base64 for addresses": lambda key: base64.urlsafe_b64encode(key.encode()).decode().rstrip("="),
    "base64 after a user": lambda key: in_base64(f"user:{key}"),
    "base64 in the midst": lambda key: in_base64(f"Bearer {key}, once more"),
    "hexadecimal": lambda key: key.encode().hex(),
    "hexadecimal capitals": lambda key: key.encode().hex().upper(),
    "its first half": lambda key: key[: len(key) // 2],
    "its second half": lambda key: key[len(key) // 2 :],
    "all but its ends": lambda key: key[2:-2],
    "capitals": str.upper,
}
# What begins an escape makes a key shorter than it looks; KEY has all of that.
PRINTABLE = set(string.digits + string.ascii_letters + string.punctuation) - set("\\%&")
keys = st.text(sorted(PRINTABLE), min_size=16, max_size=200)


def told(words: str, key: str) -> list[str]:
    """Return the parts of a key that somebody learns who decodes words once or twice."""
    known = [words, words.lower(), *decoded(words), *(twice for once in decoded(words) for twice in decoded(once))]
    size = min(LONGEST_PART, len(key) // 2)
    parts = {key[at : at + size] for at in range(len(key) - size + 1)}
    return [part for part in parts if any(part in text or part.lower() in text for text in known)]


def decoded(words: str) -> list[str]:
    last = words.rsplit(maxsplit=1)[-1] if words.strip() else ""
    found = [html.unescape(words)]
    for attempt in (lambda: json.loads(f'"{words}"'), lambda: base64.b64decode(last).decode("latin-1")):
        try:
            found.append(attempt())
        except ValueError:
            continue
    return found


@given(keys, st.sampled_from(sorted(SPELLINGS)))
def test_no_spelling_of_a_key_tells_it(key: str, spelling: str) -> None:
    masked = Secrets([key]).masked(f"Odd:\n{SPELLINGS[spelling](key)}")
    assert masked.startswith("Odd:\n")
    assert "***" in masked
    assert told(masked.removeprefix("Odd:\n"), key) == []


@given(keys, st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_words_that_tell_nothing_stay_as_they_are(key: str, words: str) -> None:
    assert Secrets([key]).masked(words) == words or told(words, key)


def test_what_a_server_leaves_of_a_key_that_it_masks_itself_stays() -> None:
    words = "Incorrect API key provided: sk-ab****wxyz. Pay \\ 100% & more."
    assert Secrets(["sk-abcdefghijklmnopqrstuvwxyz"]).masked(words) == words


def test_several_secrets_and_what_is_between_them() -> None:
    secrets = Secrets(["sk-abcdefghijklmnop", "", "team-0123456789"])
    assert secrets.masked("sk-abcdefghijklmnop and team-0123456789!") == "*** and ***!"


def test_a_short_key_is_masked_as_a_whole_and_answers_may_say_it() -> None:
    secrets = Secrets(["EMPTY"])
    assert secrets.masked("no such key: EMPTY") == "no such key: ***"
    assert not secrets.may_be_in(b"The glass is EMPTY.")


@given(keys)
def test_a_whole_key_in_an_answer_is_found(key: str) -> None:
    secrets = Secrets([key])
    spellings = ("as it is", "JSON", "JSON with escaped slashes", "an address", "base64", "base64 after a user")
    assert all(secrets.may_be_in(f'{{"content": "{SPELLINGS[each](key)}"}}'.encode()) for each in spellings)


Reply = Callable[[str], tuple[int, bytes]]
"""Of what an endpoint was trusted with, the status and the body of a reply."""


@contextmanager
def repeating(reply: Reply, header: str) -> Iterator[str]:
    """Serve replies that are made of what a header of the request says, without its scheme; give the address."""

    class Repeater(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, body = reply(self.headers[header].rpartition(" ")[2])
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Repeater) as server:
        threading.Thread(target=server.serve_forever, args=[0.01]).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()


def error(spelling: Spelling, **more: int) -> bytes:
    return json.dumps({"error": {"message": f"Odd: {spelling(KEY)}", "type": "no", **more}}).encode()


def answer(said: str, **message: str) -> bytes:
    choice = {"message": {"role": "assistant", "content": said, **message}, "finish_reason": "stop"}
    return json.dumps({"choices": [choice]}).encode()


REPLIES: dict[str, Callable[[Spelling], tuple[int, bytes]]] = {
    "refused": lambda spelling: (400, error(spelling)),
    "dead": lambda spelling: (401, error(spelling)),
    "no JSON": lambda spelling: (400, f"Odd: {spelling(KEY)}".encode()),
    "just before the cut": lambda spelling: (400, f"{'x' * 280}{spelling(KEY)}".encode()),
    "an error within": lambda spelling: (200, error(spelling, code=400)),
    "a refusal": lambda spelling: (200, answer("", refusal=f"Odd: {spelling(KEY)}")),
    "an answer": lambda spelling: (200, answer(f"You sent {spelling(KEY)}", reasoning=f"It was {spelling(KEY)}")),
}
IN_ANSWERS = sorted(set(SPELLINGS) & {"as it is", "an address", "base64", "base64 after a user", "hexadecimal"})
CASES = [
    (kind, spelling) for kind in REPLIES for spelling in (IN_ANSWERS if kind == "an answer" else sorted(SPELLINGS))
]


def all_that_is_said_of_a_cell(lake: Lake, address: str, endpoint: dict[str, Any]) -> str:
    """Have the cell answered; return every file of the lake and every message."""
    write_prompts(lake, ["What did I send?"], BATCH)
    progress = Recorder()
    try:
        answer_cell(lake, loopback_models(address, endpoint), "m", BATCH, progress)
    except SteerworksError as error:
        progress.messages.append(str(error))
    cell = {"model": "m", "prompt_batch": BATCH}
    table = lake.read("responses", cell).rows() if lake.exists("responses", cell) else []
    files = [path.read_bytes().decode("latin-1") for path in lake.root.rglob("*") if path.is_file()]
    return "\n".join([*files, str(table), *progress.messages])


@pytest.mark.parametrize(("kind", "spelling"), CASES)
def test_a_key_that_a_server_repeats_is_in_no_file_and_no_message(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, kind: str, spelling: str
) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)
    status, body = REPLIES[kind](SPELLINGS[spelling])
    with repeating(lambda _: (status, body), "Authorization") as address:
        said = all_that_is_said_of_a_cell(lake, address, {"api_key_env": "TEST_KEY"})
    assert "***" in said
    secret = SPELLINGS[spelling](KEY)
    assert not any(part in said for part in (secret, as_json(secret), KEY[:LONGEST_PART], KEY[-LONGEST_PART:]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Api-Key", "team-0123456789abcdef"),
        ("Authorization", "Token team-0123456789abcdef"),
        ("Authorization", f"Basic {in_base64('user:team-0123456789abcdef')}"),
    ],
)
def test_headers_that_hold_credentials_are_secret(lake: Lake, name: str, value: str) -> None:
    def repeat(sent: str) -> tuple[int, bytes]:
        return 400, f"Odd: {sent}, which is team-0123456789abcdef".encode()

    with repeating(repeat, name) as address:
        said = all_that_is_said_of_a_cell(lake, address, {"headers": {name: value}})
    assert "Odd: ***, which is ***" in said
    assert "0123456789" not in said
    assert in_base64("user:team-0123456789abcdef") not in said


def test_headers_that_open_nothing_may_be_repeated(lake: Lake) -> None:
    with repeating(lambda sent: (400, f"Odd: {sent}".encode()), "X-Title") as address:
        said = all_that_is_said_of_a_cell(lake, address, {"headers": {"X-Title": "Steerworks"}, "organization": "o-1"})
    assert "Odd: Steerworks" in said
