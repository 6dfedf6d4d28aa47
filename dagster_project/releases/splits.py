"""Which split a prompt belongs to, the same in every release.

Belongs here: the choice between train and validation, and which prompts it leaves out. Does not belong here: which
prompts are near-duplicates (`curation`), or holding releases against each other (`split_check`).

A whole cluster of near-duplicates goes to one side, so that validation is never tried on what training has seen: by a
stable hash of the cluster's first prompt, which no other prompt can change. What an earlier release of the same line
has settled stays, under whatever seed or share; and a prompt that is like prompts on both sides is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from dagster_project.identity import unit_interval

if TYPE_CHECKING:
    import polars as pl

Split = Literal["train", "validation"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class Cluster:
    """A prompt's cluster, by the id of its first prompt, and other clusters that the prompt is like."""

    first: str
    touches: tuple[str, ...] = ()


@dataclass
class Settled:
    """What earlier releases settled: the split of each of their prompts, and which of these they published."""

    splits: dict[str, Split] = field(default_factory=dict)
    published: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Sides:
    """Where prompts go: ``splits`` has a row a prompt (``prompt_id``, ``split``); ``bridging`` may go nowhere."""

    splits: pl.DataFrame
    bridging: list[str]


def split_of(cluster: str, validation_share: float, seed: int) -> Split:
    """Return the split of a cluster that nothing is settled of, by a stable hash of its first prompt's id."""
    return "validation" if unit_interval(seed, cluster) < validation_share else "train"


def choose_sides(
    prompt_ids: Iterable[str], clusters: Mapping[str, Cluster], settled: Settled, validation_share: float, seed: int
) -> Sides:
    """Return the side of each prompt.

    Args:
        prompt_ids: the prompts.
        clusters: of prompts; one that is not there is a cluster of its own.
        settled: what earlier releases settled.
        validation_share: of the clusters that are new.
        seed: of the hash.
    """
    import polars as pl  # noqa: PLC0415 - others only ask which splits there are

    ids = sorted(set(prompt_ids))
    taken = _sides_taken(clusters, settled)
    splits: list[Split] = []
    bridging = []
    for prompt_id in ids:
        own = clusters.get(prompt_id, Cluster(prompt_id))
        sides = {
            side
            for cluster in (own.first, *own.touches)
            for side in taken.get(cluster, {split_of(cluster, validation_share, seed)})
        }
        fallback = min(taken.get(own.first, {split_of(own.first, validation_share, seed)}))
        splits.append(settled.splits.get(prompt_id, fallback))
        if len(sides) > 1 and prompt_id not in settled.published:
            bridging.append(prompt_id)
    schema = {"prompt_id": pl.String, "split": pl.String}
    return Sides(pl.DataFrame({"prompt_id": ids, "split": splits}, schema=schema), bridging)


def settled_by(releases: Path, versions: Iterable[str]) -> Settled:
    """Return what some releases settled; where they disagree, the first of them is right."""
    import polars as pl  # noqa: PLC0415 - as above

    settled = Settled()
    for version in versions:
        tasks = pl.read_parquet(
            releases / version / "provenance" / "tasks.parquet", columns=["prompt_id", "split", "published", "stage"]
        )
        sides = tasks.filter(pl.col("stage") != "splits").select("prompt_id", "split").unique().sort("prompt_id")
        settled.splits = dict(sides.iter_rows()) | settled.splits
        settled.published |= set(tasks.filter("published")["prompt_id"])
    return settled


def _sides_taken(clusters: Mapping[str, Cluster], settled: Settled) -> dict[str, set[Split]]:
    """Return the sides on which clusters have published prompts: one, unless they were found out only later."""
    taken: dict[str, set[Split]] = {}
    for prompt_id in settled.published:
        first = clusters[prompt_id].first if prompt_id in clusters else prompt_id
        taken.setdefault(first, set()).add(settled.splits[prompt_id])
    return taken
