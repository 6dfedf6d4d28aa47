"""Packages that offer names without importing where these come from.

Belongs here: the `__getattr__` of such a package, and how loading is kept short. Does not belong here: what any package
offers.

Who asks a package for one thing need not wait until all else in it has loaded: a code location is loaded by every run,
and some commands answer in less time than others take to load.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any


def offering(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package.

    ``modules`` says for each name in which of the package's modules it stands; none may be called as a module is.
    """

    def offered(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package} has no attribute {name}")
        with loading():
            found = getattr(import_module(f"{package}.{modules[name]}"), name)
        # From now on it is there like any other name.
        setattr(sys.modules[package], name, found)
        return found

    return offered


@contextmanager
def loading() -> Iterator[None]:
    """Look for no garbage meanwhile: what is loaded stays, and looking through it takes a tenth of the time."""
    pauses = gc.isenabled()
    if pauses:
        gc.disable()
    try:
        yield
    finally:
        if pauses:
            gc.enable()
