"""`config/agreement.yaml`: whom to trust, what to keep, what to publish.

The defaults are HelpSteer2's (arXiv 2406.08673, section 2.1), with its open points decided.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from dagster_project.settings.yaml_file import Strict

Aggregation = Literal["mean", "median", "dawid_skene", "annotator_model"]


class TrustRules(Strict):
    """An annotator who breaks one of these is untrusted; null switches a rule off.

    The first that is broken is named: bias, deviation, straight-lining, identical, seconds, agreement, position
    bias, gold, self-consistency. Shares are in [0, 1]; deviations are in steps of the rubric's scale.
    """

    min_tasks: int = Field(default=8, ge=1, description="fewer tasks than this are no evidence")
    max_deviation: float | None = Field(default=1.25, gt=0, description="mean absolute distance from the others' mean")
    max_bias: float | None = Field(default=0.9, gt=0, description="absolute mean signed distance from the others")
    max_straight_lining: float | None = Field(default=0.6, gt=0, le=1, description="tasks rated with one number")
    max_identical: float | None = Field(
        default=0.8, gt=0, le=1, description="shared tasks rated as another, beyond chance"
    )
    min_shared_tasks: int = Field(default=6, ge=2, description="shared tasks before copying is judged")
    min_seconds: float | None = Field(default=None, gt=0, description="median time for a task, where the vendor tells")
    min_agreement: float | None = Field(default=None, gt=0, le=1, description="against the upper end of its interval")
    min_gold_accuracy: float | None = Field(default=None, gt=0, le=1, description="gold ratings as expected")
    min_self_consistency: float | None = Field(default=None, gt=0, le=1, description="ratings of repeats as before")
    max_position_bias: float | None = Field(default=None, gt=0, le=1, description="|2 x share of first preferred - 1|")


class AgreementPolicy(Strict):
    """The agreement filter, step by step, and how its statistics are drawn."""

    annotators: int = Field(default=3, ge=1, le=9, description="trusted annotators a task needs")
    extra_when_disputed: int = Field(default=2, ge=0, le=9)
    max_annotators: int = Field(default=5, ge=1, le=15)
    drop_flagged: bool = Field(default=True, description="step 1: flagged annotations, and tasks that most flag, leave")
    drop_incomplete: bool = Field(default=True, description="step 1: annotations without a deciding score leave")
    drop_untrusted: bool = Field(default=True, description="step 2: the ratings of untrusted annotators leave")
    closest: int | None = Field(default=3, ge=1, le=9, description="how many that agree best are kept; null: all")
    closest_of: Literal["task", "response"] = Field(
        default="task", description="whether one set serves all responses of a task, or each response has its own"
    )
    break_ties: bool = Field(default=True, description="ties in `closest` by all attributes, before the sorted ids")
    max_range: int | None = Field(
        default=2, ge=0, description="of a deciding attribute within those kept; null: nothing is disputed"
    )
    max_preference_range: int | None = Field(default=2, ge=0, description="of those kept; null: any range will do")
    aggregations: tuple[Aggregation, ...] = Field(
        default=("mean", "median", "dawid_skene", "annotator_model"),
        description="other ways to one rating, computed beside the consensus and compared with it",
    )
    shuffles: int = Field(default=5, ge=1, le=1000, description="permutations behind a shuffled figure")
    bootstrap_samples: int = Field(default=1000, ge=0, le=100_000, description="samples behind an interval")
    seed: int = 20240612
    trust: TrustRules = TrustRules()

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.closest is not None and self.closest > self.annotators:
            raise ValueError(
                f"`closest` ({self.closest}) is more than `annotators` ({self.annotators}): no task could be kept"
            )
        if self.max_annotators < self.annotators:
            raise ValueError("`max_annotators` is less than `annotators`")
        return self
