"""The formats of exports: for whom, in which files, by which statement, and what becomes of ties.

Belongs here: what is known of a format without looking at data. Does not belong here: writing.

Sources of the formats: the cards of nvidia/HelpSteer2 and nvidia/HelpSteer3 on the Hub; TRL 1.16, "Dataset formats" and
``trainer/reward_trainer.py``; OpenRLHF 0.11, ``datasets/reward_dataset.py``; NeMo-RL, ``docs/guides/dpo.md`` and
``data/datasets/preference_datasets``; NeMo-Aligner 0.7, ``RegressionRewardModelDataset`` and
``examples/nlp/data/steerlm``; axolotl, ``prompt_strategies/bradley_terry/chat_template.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dagster_project.releases.splits import SPLITS, Split
from dagster_project.settings import ExportName

Encoding = Literal["parquet", "jsonl"]
TieRule = Literal["kept", "left_out"]

LABEL_NAMES = (
    *("quality", "toxicity", "humor", "creativity"),
    *("helpfulness", "correctness", "coherence", "complexity", "verbosity"),
)
"""The places of a NeMo-Aligner label, OpenAssistant's four before HelpSteer's five."""


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: of the format; also of the configuration of ``load_dataset``, which knows no JSON beside Parquet.
        export: which part of ``exports/`` it belongs to; formats of one export are built together.
        readers: who reads it.
        folder: where its files lie, under ``exports/``.
        statement: its rows, under ``sql/exports``.
        encoding: of its files: Parquet, or JSON lines for trainers that read nothing else.
        needs: the column of ``export_tasks`` that says why it cannot have a task; None if it has all.
        ties: what becomes of a task whose responses are equally good.
        attributes: whether its statement gives ``scores``, to be a column each.
        file: name of its one file, where it is not one a split.
    """

    name: str
    export: ExportName
    readers: str
    folder: str
    statement: str
    encoding: Encoding
    needs: str | None
    ties: TieRule
    attributes: bool = False
    file: str | None = None

    def path(self, split: Split) -> str:
        """Return where the rows of a split go, relative to the release."""
        return f"exports/{self.folder}/{self.file or split}.{self.encoding}"

    @property
    def files(self) -> dict[str, str]:
        """Path of the file of each split that ``load_dataset`` gives."""
        return {"train": self.path("train")} if self.file else {split: self.path(split) for split in SPLITS}


FORMATS = (
    Format(
        name="helpsteer2",
        export="helpsteer2",
        readers="readers of nvidia/HelpSteer2",
        folder="helpsteer2",
        statement="helpsteer2",
        encoding="parquet",
        needs="flat_rows",
        ties="kept",
        attributes=True,
    ),
    Format(
        name="helpsteer2-preference",
        export="helpsteer2",
        readers='readers of nvidia/HelpSteer2, `data_dir="preference"`',
        folder="helpsteer2/preference",
        statement="helpsteer2_preference",
        encoding="parquet",
        needs="flat_preference",
        ties="left_out",
        file="preference",
    ),
    Format(
        name="helpsteer3",
        export="helpsteer3",
        readers="readers of nvidia/HelpSteer3, `preference`",
        folder="helpsteer3/preference",
        statement="helpsteer3",
        encoding="parquet",
        needs="preference",
        ties="left_out",
    ),
    Format(
        name="trl",
        export="pairs",
        readers="TRL's RewardTrainer and DPOTrainer",
        folder="pairs",
        statement="pairs",
        encoding="parquet",
        needs="pair",
        ties="left_out",
    ),
    Format(
        name="openrlhf",
        export="pairs",
        readers="OpenRLHF's reward model and DPO",
        folder="pairs",
        statement="pairs",
        encoding="parquet",
        needs="pair",
        ties="left_out",
    ),
    Format(
        name="nemo-rl",
        export="nemo-rl",
        readers="NeMo-RL's reward model and DPO",
        folder="nemo-rl",
        statement="nemo_rl",
        encoding="jsonl",
        needs="pair",
        ties="left_out",
    ),
    Format(
        name="nemo-aligner",
        export="nemo-aligner",
        readers="NeMo-Aligner's regression reward model",
        folder="nemo-aligner",
        statement="nemo_aligner",
        encoding="jsonl",
        needs="flat_labels",
        ties="kept",
    ),
    Format(
        name="axolotl",
        export="axolotl",
        readers="axolotl's `bradley_terry.chat_template`",
        folder="axolotl",
        statement="axolotl",
        encoding="parquet",
        needs="single_turn",
        ties="left_out",
    ),
    Format(
        name="annotators",
        export="annotators",
        readers="distributional reward models",
        folder="annotators",
        statement="annotators",
        encoding="parquet",
        needs=None,
        ties="kept",
        attributes=True,
    ),
)


def formats_of(exports: Sequence[ExportName]) -> list[Format]:
    """Return the formats of some exports, in the order of `FORMATS`."""
    return [kind for kind in FORMATS if kind.export in exports]


def label_names(attributes: Sequence[str]) -> list[str]:
    """Return what each place of a NeMo-Aligner label means.

    Its own nine, if it has a place for each attribute; the rubric's own attributes in their order otherwise.
    """
    return list(LABEL_NAMES if set(attributes) <= set(LABEL_NAMES) else attributes)
