"""HelpSteer2's collection replayed on simulated annotators, tuned to the kappas of its first collection.

Three annotators rate both responses of a task; where they differ by more than two in helpfulness, two more do. One in
eight is careless. Source of the process and of the kappas: arXiv 2406.08673, section 2.1 and table 1.
"""

from __future__ import annotations

import numpy as np

from tests.quality.ratings import Ratings

COLLECTED = {"helpfulness": 0.465, "correctness": 0.472, "coherence": 0.169, "complexity": 0.293, "verbosity": 0.342}
"""Quadratic kappa of the initial collection."""
MEANS = (2.87, 2.96, 3.64, 1.70, 2.00)
SPREADS = (1.45, 1.45, 0.75, 0.75, 0.85)
NOISES = (0.72, 0.855, 0.765, 0.778, 0.75)
"""Of honest annotators, so that kappas of the whole crowd are those of `COLLECTED`."""
TOGETHER = 0.9
"""How far correctness follows helpfulness."""
TASKS, CROWD, CARELESS = 1200, 120, 0.125


def collection(seed: int = 2024, noises: tuple[float, ...] = NOISES) -> Ratings:
    """Return the annotations of the first round and of the top-ups."""
    dice = np.random.default_rng(seed)
    careless = dice.random(CROWD) < CARELESS
    ratings = Ratings()
    for task in range(TASKS):
        latent = dice.normal(0, 1, (2, 5))
        latent[:, 1] = TOGETHER * latent[:, 0] + np.sqrt(1 - TOGETHER**2) * latent[:, 1]
        truth = np.array(MEANS) + np.array(SPREADS) * latent
        panel = dice.choice(CROWD, 5, replace=False)
        honest = truth + dice.normal(0, 1, (5, 2, 5)) * np.array(noises)
        guessed = dice.uniform(-0.5, 4.5, (5, 2, 5))
        given = np.clip(np.round(np.where(careless[panel][:, None, None], guessed, honest)), 0, 4).astype(int)
        first = given[:3, :, 0]
        raters = 5 if (first.max(axis=0) - first.min(axis=0)).max() > 2 else 3
        for annotator, scores in zip(panel[:raters], given, strict=False):
            ratings.rate(f"t{task:04}", f"a{annotator:03}", *scores.tolist())
    return ratings
