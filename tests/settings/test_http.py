"""What no server could take is refused when the configuration is read, and not in the middle of a run."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dagster_project.errors import SteerworksError
from dagster_project.settings import Endpoint, ModelsFile
from dagster_project.settings.models import Prices, Sampling


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:8000/v1",
        "https://api.example.com/v1/",
        "HTTP://models.example",
        "http://[::1]:8000/some%20where/v1",
        "http://bücher.example/v1",
    ],
)
def test_an_address_may_have_a_port_and_a_path(address: str) -> None:
    assert Endpoint(base_url=address).base_url == address


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:8000/v1", "give one with http:// or https://"),
        ("localhost/v1", "give one with http:// or https://"),
        ("ftp://example.com/v1", "give one with http:// or https://"),
        ("http:///v1", "no address of a server"),
        ("http://exa mple/v1", "no address of a server"),
        ("http://example.com/v1\n", "no address of a server"),
        ("http://example.com:99999/v1", "Port out of range"),
        ("http://example.com:port/v1", "this is no address"),
        ("http://[::1/v1", "this is no address"),
        ("http://user:secret@example.com/v1", "api_key_env"),
        ("https://example.com/v1?api-version=1", "it can have no"),
        ("https://example.com/v1#x", "it can have no"),
        ("https://example.com/v1/chat/completions", "leave that off"),
    ],
)
def test_what_is_no_address_is_refused(address: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Endpoint(base_url=address)


@pytest.mark.parametrize(
    "settings",
    [
        {"headers": {"X-Team": "a\nb"}},
        {"headers": {"X Team:": "a"}},
        {"headers": {"X-Title": "Prüfstand"}},
        {"organization": "a\r"},
    ],
)
def test_what_cannot_be_a_header_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="header"):
        Endpoint(base_url="http://127.0.0.1:8000/v1", **settings)


@pytest.mark.parametrize("value", [float("nan"), b"bytes", {1, 2}])
def test_what_json_cannot_say_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError, match="cannot be sent as JSON"):
        Sampling(max_tokens=1, extra_body={"x": [value]})


def test_a_price_is_a_number() -> None:
    with pytest.raises(ValidationError, match="finite"):
        Prices(input_usd_per_million=float("inf"))


@pytest.mark.parametrize("key", ["sk-abc\n", "sk-abc\r", " ", "sk-é"])
def test_a_key_that_no_header_takes_is_named_by_its_variable(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", key)
    models = ModelsFile.model_validate(
        {
            "endpoints": {"e": {"base_url": "http://127.0.0.1:8000/v1", "api_key_env": "TEST_KEY"}},
            "models": {
                "m": {
                    "endpoint": "e",
                    "name": "m",
                    "revision": "1",
                    "sampling": {"max_tokens": 1},
                    "terms": {"licence": "CC0-1.0", "outputs_may_train": True},
                }
            },
        }
    )
    with pytest.raises(SteerworksError, match="variable TEST_KEY, which holds a line break") as error:
        models.api_key_of("m")
    assert key.strip() == "" or key.strip() not in str(error.value)
