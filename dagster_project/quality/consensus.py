"""What is published: one rating for each response, and one preference for each task, or the reason why not."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from dagster_project.lake import Lake, Session
from dagster_project.settings import Settings


@dataclass(frozen=True)
class Consensus:
    """Tasks and responses with a published rating; tasks with a preference, and without by reason."""

    tasks: int
    responses: int
    preferences: int
    without_preference: dict[str, int]


def reach(lake: Lake, settings: Settings, campaign: str) -> Consensus:
    """Write ``consensus`` and ``preferences`` of a campaign from its ``retained_annotations``."""
    partition = {"campaign": campaign}
    with Session() as session:
        session.table(lake, "retained_annotations", partition)
        session.frame("rubric", pl.DataFrame(settings.rubric_of(campaign).rows()))
        session.create("consensus", "quality/consensus")
        session.create("preferences", "quality/preferences", settings.policy_of(campaign).model_dump())
        responses = lake.write("consensus", partition, session.arrow("consensus")).rows
        tasks = lake.write("preferences", partition, session.arrow("preferences")).rows
        reasons = session.query("quality/preference_reasons")
    without: dict[str, int] = dict(reasons.iter_rows())
    return Consensus(tasks, responses, tasks - sum(without.values()), without)
