"""Letting an order through to the making of its files, or refusing it with every reason.

Belongs here: the relations that a release is made from, and the last look at what would be in it, before anything is
written. Does not belong here: the reasons that lie in the inputs (`gate`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dagster_project.errors import SteerworksError, listed
from dagster_project.lake import Session
from dagster_project.releases.barring import bar_tasks
from dagster_project.releases.folders import built_versions, version_order
from dagster_project.releases.gate import Unmet, refusals
from dagster_project.releases.inputs import open_inputs
from dagster_project.releases.licensing import findings
from dagster_project.releases.order import Order
from dagster_project.releases.personal_data import unscanned
from dagster_project.releases.split_check import moved_prompts
from dagster_project.releases.tables import make_relations

SHOWN = 5
"""Rows of a kind that a refusal names."""


def admit(order: Order, session: Session, unmet: Unmet) -> None:
    """Give a session every relation of the release of an order, which may be made.

    Raises:
        SteerworksError: it may not.
    """
    open_inputs(session, order.lake, order.settings, order.spec, order.inputs)
    found = findings(session, order.settings, order.spec, order.inputs, order.known)
    bar_tasks(session, found)
    _refuse(order, refusals(order.lake, order.settings, order.spec, order.inputs, session, unmet, found))
    make_relations(session)
    _refuse(order, [*_nothing_left(session), *_personal(order, session), *_moved(order, session)])


def _refuse(order: Order, reasons: Sequence[str]) -> None:
    if reasons:
        raise SteerworksError(f"release {order.version} is refused:{listed(reasons)}")


def _nothing_left(session: Session) -> list[str]:
    if session.query("release/published_tasks").item():
        return []
    barred = [f"{row['stage']}, {row['reason']}" for row in session.query("release/barred_counts").to_dicts()]
    return [f"every task is left out: {'; '.join(barred)}"]


def _personal(order: Order, session: Session) -> Iterator[str]:
    """Yield the texts that have a finding, or were not looked at as they are now."""
    for row in session.query("release/private_rows").head(SHOWN).to_dicts():
        yield f"{row['response_id']} of task {row['task_id']} holds personal data"
    for campaign in order.inputs.campaigns:
        if unscanned(order.lake, order.settings, campaign):
            yield f"the texts of campaign `{campaign}` changed while they were scanned"


def _moved(order: Order, session: Session) -> list[str]:
    """Return the prompts that would be in another split than in an earlier release, of whatever line."""
    home = order.settings.home
    earlier = [name for name in built_versions(home) if version_order(name) < version_order(order.version)]
    moved = moved_prompts(session, home, earlier, order.version)
    if not moved:
        return []
    more = [f"and {len(moved) - SHOWN} more"] if len(moved) > SHOWN else []
    advice = "name the release that settled their split as `parent`, or use its `seed` and `validation_share`"
    return [*moved[:SHOWN], *more, advice]
