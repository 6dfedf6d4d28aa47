"""The one exception whose text is written for the person at the keyboard.

Raise it where somebody can mend the cause: a broken file, a missing key, an
endpoint that is down. The text names the place, the rule and what to do. The
command line prints it without a traceback; Dagster shows it as the step's error.
"""

from __future__ import annotations

from collections.abc import Iterable


class SteerworksError(Exception):
    """Something that the user can mend, said in words that tell how."""


def listed(items: Iterable[str]) -> str:
    """Return the lines of a message that has several things to say."""
    return "".join(f"\n- {item}" for item in items)
