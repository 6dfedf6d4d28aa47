"""Packages that offer names without importing where these come from."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import pytest


@pytest.mark.parametrize(
    "package",
    ["lake", "settings", "curation", "vendors", "quality", "quality.expectations", "releases", "releases.publishing"],
)
def test_a_package_offers_what_it_says_whichever_of_its_modules_was_loaded_before(package: str) -> None:
    offering = import_module(f"dagster_project.{package}")
    for name in offering.__all__:
        assert not isinstance(getattr(offering, name), ModuleType), name
        assert not find_spec(f"{offering.__name__}.{name}"), f"{name} is a module as well"
    with pytest.raises(AttributeError, match="has no attribute nothing"):
        _ = offering.nothing
