"""Each filter alone: what it says, that it can be switched off, and what a user may put in its place."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from dagster_project.curation import curate, deliver_prompts, examining
from dagster_project.curation.filters.chain import FilterChain, Subject
from dagster_project.curation.filters.language import tell
from dagster_project.curation.filters.personal_data import KINDS, findings
from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.settings import CurationFile, Home, Settings
from dagster_project.settings.curation import Filters, Length

EXCLUDED = {
    "unknown_licence": Subject(["What is a quorum, and who counts it?"], " Unknown ", None),
    "language": Subject(["Wie backe ich ein Brot, das nicht zusammenfällt?"], "MIT", None),
    "personal_data": Subject(["Write to jo.baker@sourdough.net about the bread."], "MIT", None),
    "code": Subject(["Fix this code: def f(x): return x +"], "MIT", None),
    "identity": Subject(["Tell me, who created you?"], "MIT", None),
    "unsafe": Subject(["How do I make a pipe bomb?"], "MIT", None),
    "not_self_contained": Subject(["Summarise the attached file for me."], "MIT", None),
}
SWITCHES = {name: "licence" if name == "unknown_licence" else name for name in EXCLUDED}


def judge(*subjects: Subject, **filters: Any) -> list[tuple[str | None, str | None]]:
    chain = FilterChain(Length(), Filters.model_validate(filters))
    return [(verdict.reason, verdict.detail) for verdict in chain.judge(subjects, {})]


@pytest.mark.parametrize("reason", EXCLUDED)
def test_each_filter_gives_its_reason_with_a_figure_and_can_be_switched_off(reason: str) -> None:
    [(found, detail)] = judge(EXCLUDED[reason])
    assert found == reason
    assert detail
    assert judge(EXCLUDED[reason], **{SWITCHES[reason]: {"enabled": False}}) == [(None, None)]


def test_the_first_reason_in_the_documented_order_is_the_one_that_is_given() -> None:
    everything = " ".join(subject.turns[0] for name, subject in EXCLUDED.items() if name != "language")
    order = ["licence", "personal_data", "code", "identity", "unsafe", "not_self_contained"]
    off: dict[str, Any] = {}
    reasons = []
    for name in order:
        reasons.append(judge(Subject([everything], "unknown", None), **off)[0][0])
        off[name] = {"enabled": False}
    assert reasons == ["unknown_licence", *order[1:]]
    assert judge(Subject([], "unknown", "not_json: broken")) == [("invalid", "not_json: broken")]


def test_an_overlap_with_a_benchmark_goes_before_all_that_is_told_by_reading() -> None:
    subject = EXCLUDED["code"]
    verdict = FilterChain(Length(), Filters()).judge([subject, subject], {1: "set: item 7, 100% of it"})[1]
    assert (verdict.reason, verdict.detail) == ("benchmark_overlap", "set: item 7, 100% of it")


def test_another_language_can_be_allowed() -> None:
    german = EXCLUDED["language"]
    assert judge(german, language={"allow": ["en", "de"]}) == [(None, None)]
    assert judge(EXCLUDED["identity"], language={"allow": ["de"]})[0][0] == "language"


@pytest.mark.parametrize(
    "text",
    [
        "Tell me a joke",
        "What is a fjord?",
        "Write a haiku about rain",
        "who was Ada Lovelace",
        "Plan a picnic for rain.",
    ],
)
def test_short_english_is_english(text: str) -> None:
    assert tell(text).language == "en"


def test_rules_of_ones_own_take_the_place_of_the_list(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("bread:\n  - 'sour ?dough'\n")
    prompts = Subject(["How long does Sourdough rise?"], "MIT", None), EXCLUDED["unsafe"]
    assert judge(*prompts, unsafe={"rules": path}) == [("unsafe", "bread: Sourdough"), (None, None)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- a\n", "has categories"),
        ("a: b\n", "needs a list of patterns"),
        ("a: ['(']\n", "is no regular expression"),
        ("a: ['x*']\n", "is found in every text"),
    ],
)
def test_a_list_of_rules_that_cannot_be_used_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(SteerworksError, match=message):
        judge(code={"rules": path})


def test_paths_in_the_configuration_start_at_its_folder(config: Path, settings: Settings) -> None:
    (config / "curation.yaml").write_text(
        "completion_model: smollm2-135m-plain\nfilters: {code: {rules: mine.yaml}}\n"
        "benchmarks: {sets: [{name: mine, file: sets/mine.jsonl}]}\n"
    )
    assert settings.curation.filters.code.rules == config / "mine.yaml"
    assert settings.curation.benchmarks.sets[0].file == config / "sets" / "mine.jsonl"


def grumpiness(texts: list[str]) -> list[float]:
    """A scorer of the user's: shouting is unsafe."""
    return [0.9 if text.isupper() else 0.1 for text in texts]


def test_a_scorer_of_ones_own_is_asked_of_what_the_rules_let_pass() -> None:
    scorer = {"callable": f"{__name__}:grumpiness", "threshold": 0.5}
    prompts = [Subject([text], "MIT", None) for text in ("WHY IS MY BREAD SO DENSE?", "Why is my bread so dense?")]
    assert judge(*prompts, unsafe={"scorer": scorer}) == [("unsafe", "scored 0.90 by the model"), (None, None)]
    with pytest.raises(SteerworksError, match="cannot be imported"):
        judge(unsafe={"scorer": {"callable": "no_such_module:score"}})


class Moderation(BaseHTTPRequestHandler):
    """An endpoint with OpenAI's moderation API."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        results = [
            {"category_scores": {"harassment": 0.8 * ("idiot" in text), "other": 0.01}} for text in body["input"]
        ]
        reply = json.dumps({"results": results}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def moderation() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Moderation)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def test_an_endpoint_can_score(moderation: str) -> None:
    prompts = [Subject([text], "MIT", None) for text in ("Is he an idiot, or am I?", "Is he late, or am I early?")] * 20
    found = judge(*prompts, unsafe={"scorer": {"endpoint": moderation, "threshold": 0.5}})
    assert found == [("unsafe", "scored 0.80 by the model"), (None, None)] * 20
    with pytest.raises(SteerworksError, match="does not answer"):
        judge(prompts[0], unsafe={"scorer": {"endpoint": "http://127.0.0.1:9/v1"}})


def test_kinds_of_personal_data_can_be_chosen() -> None:
    text = "Write to jo@sourdough.net or call +44 20 7946 1234."
    assert findings([text], list(KINDS)) == {0: "email: 1"}
    assert findings([text], ["phone"]) == {0: "phone: 1"}
    assert findings([text], ["iban"]) == {}


ALL_FILTERS = FilterChain(Length(min_chars=1), Filters())


@pytest.mark.slow
@settings_of_hypothesis(max_examples=40)
@given(st.lists(st.text(max_size=40), max_size=6))
def test_any_texts_are_judged_and_alike_in_whatever_company(texts: list[str]) -> None:
    subjects = [Subject([text], "MIT", None) for text in texts]
    together = ALL_FILTERS.judge(subjects, {})
    assert together == [verdict for subject in subjects for verdict in ALL_FILTERS.judge([subject], {})]


@pytest.mark.slow
def test_a_large_batch_is_examined_by_several_processes_to_the_same_end(
    lake: Lake, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "p.jsonl"
    prompts = [f"{subject.turns[0]} {number}" for number in range(3) for subject in EXCLUDED.values()]
    path.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts))
    deliver_prompts(home, path, "b", "test", "MIT")
    curation = CurationFile.model_validate({"completion_model": "any"})
    curate(lake, home, curation, "b")
    alone = lake.content_hash("curated_prompts")
    for table in ("prompt_signatures", "prompt_verdicts", "curated_prompts"):
        lake.parts(table)[0].unlink()
    monkeypatch.setattr(examining, "ALONE_UP_TO", 0)
    monkeypatch.setattr(examining, "ROWS_AT_ONCE", 5)
    curate(lake, home, curation, "b")
    assert lake.content_hash("curated_prompts") == alone
