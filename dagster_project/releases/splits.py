"""Which split a prompt belongs to, the same in every release.

Belongs here: the choice between train and validation. Does not belong here: which prompts are
released at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

import polars as pl

from dagster_project.identity import unit_interval

Split = Literal["train", "validation"]
SPLITS: tuple[Split, ...] = get_args(Split)


def first_of_cluster(prompt_id: str) -> str:
    """Return the first prompt of a prompt's cluster of near-duplicates.

    A whole cluster goes to one side, so that validation is never tried on what training has seen.
    Curation removes equal prompts, so each prompt that is left is a cluster of its own.
    """
    return prompt_id


def split_of(prompt_id: str, validation_share: float, seed: int) -> Split:
    """Return a prompt's split, by a stable hash of its cluster: no other prompt can change it."""
    return "validation" if unit_interval(seed, first_of_cluster(prompt_id)) < validation_share else "train"


def prompt_splits(prompt_ids: Iterable[str], validation_share: float, seed: int) -> pl.DataFrame:
    """Return one row a prompt: ``prompt_id`` and ``split``."""
    ids = sorted(set(prompt_ids))
    splits = [split_of(prompt_id, validation_share, seed) for prompt_id in ids]
    return pl.DataFrame({"prompt_id": ids, "split": splits}, schema={"prompt_id": pl.String, "split": pl.String})
