"""Proof that no prompt and no cluster of near-duplicates is on both sides of the split, over all releases.

Belongs here: holding releases against each other. Does not belong here: choosing sides (`splits`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dagster_project.lake import TABLES, Lake, Session
from dagster_project.releases.folders import built_versions, open_table
from dagster_project.settings import Home


def open_clusters(session: Session) -> None:
    """Give a session that has ``curated_prompts`` the cluster of each prompt, as far as curation has found any."""
    is_known = {"cluster", "touches"} <= set(TABLES["curated_prompts"].column_names)
    columns = "cluster, touches" if is_known else "null::varchar as cluster, null::varchar[] as touches"
    session.connection.execute(
        f"create or replace temp view prompt_clusters_known as select prompt_id, any_value(cluster) as cluster, "
        f"any_value(touches) as touches from (select prompt_id, {columns} from curated_prompts) "
        "where cluster is not null group by prompt_id"
    )


def split_conflicts(home: Home, lake: Lake) -> list[str]:
    """Return what is on both sides in the releases of a home, a line each; nothing if all is well."""
    with Session() as session:
        session.table(lake, "curated_prompts")
        return [_words(row) for row in _conflicts(session, home, built_versions(home))]


def moved_prompts(session: Session, home: Home, versions: Sequence[str], being_built: str) -> list[str]:
    """Return which prompts of a release, whose relations the session has, are in another split than in others."""
    found = _conflicts(session, home, versions, being_built)
    return [_words(row) for row in found if row["kind"] == "prompt"]


def _conflicts(
    session: Session, home: Home, versions: Sequence[str], being_built: str | None = None
) -> list[dict[str, Any]]:
    open_clusters(session)
    parts = []
    for number, version in enumerate(versions):
        open_table(session, f"tasks_{number}", home.releases / version, "provenance/tasks")
        parts.append(f"select '{version}' as version, prompt_id, split, published from tasks_{number}")
    if being_built:
        parts.append(f"select '{being_built}' as version, prompt_id, split, published from task_fates")
    if not parts:
        return []
    session.connection.execute(f"create or replace temp view release_splits as {' union all '.join(parts)}")
    return session.query("release/split_conflicts").to_dicts()


def _words(row: Mapping[str, Any]) -> str:
    return f"{row['kind']} {row['id']} is in train in {row['train']} and in validation in {row['validation']}"
