"""Which tasks a release leaves out whatever their ratings are.

Belongs here: putting together what the licence gate, the scan for personal data and the splits say. Does not belong
here: any of these.
"""

from __future__ import annotations

from collections.abc import Sequence

from dagster_project.lake import Session
from dagster_project.releases.licensing import Finding, excluded_origins


def bar_tasks(session: Session, found: Sequence[Finding]) -> None:
    """Make ``barred_tasks`` in a session that has the release's inputs."""
    session.frame("barred_origins", excluded_origins(found))
    session.create("private_tasks", "release/private_tasks")
    session.create("barred_tasks", "release/barred_tasks")
