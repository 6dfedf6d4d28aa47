"""Publishing a release on the Hugging Face Hub.

Belongs here: whether a release may go there (`refusing`), getting it there (`publish`), and what the Hub is asked
(`hub`). Does not belong here: what a release is made of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster_project.lazily import offering

if TYPE_CHECKING:
    from dagster_project.releases.publishing.publish import Published, publish_release

_MODULES = {
    "Published": "publish",
    "publish_release": "publish",
}
"""Where each name comes from."""

__all__ = ["Published", "publish_release"]

__getattr__ = offering(__name__, _MODULES)
