"""What a simulated rater makes of a response: rules of thumb, and dice.

Belongs here: latent quality, the raters' errors, preferences. Does not belong here: who rates
what (`panel`), or files (`vendor`). Attributes are known only from the rubric that was sent.

A response has a common quality in [0, 1], from plain features of its text and from dice. The
first attributes follow it closely, the later ones loosely. A rater sees it through a severity
and a noise of their own, and puts it on the rubric's scale.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from dagster_project.identity import digest, unit_interval
from dagster_project.simulation.panel import BY_NAME, Worker

Task = dict[str, Any]
FLAGGED_SHARE = 0.02
COPIED_SHARE = 0.97
"""Share of the tasks that a copier copies; the others are rated honestly."""
SPREAD = 1.7
"""How far latent quality is stretched around its middle, so that the whole scale is used."""
CARELESS_REACH = 1.5
"""Range of a careless rater's dice; what falls beyond the scale lands on its ends, as hasty clicks do."""
LEVELS = 4
"""Steps of the scale that the panel's severity and noise are given for."""


@dataclass(frozen=True)
class Rubric:
    """What the simulated vendor reads from ``rubric.json``."""

    attributes: tuple[str, ...]
    lowest: int
    highest: int
    flags: tuple[str, ...]
    preference: bool

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Rubric:
        """Return the rubric that was sent."""
        return cls(
            tuple(attribute["name"] for attribute in content["attributes"]),
            content["scale"]["lowest"],
            content["scale"]["highest"],
            tuple(flag["name"] for flag in content["flags"]),
            content["preference"],
        )

    def level(self, latent: float) -> int:
        """Return the level of the scale for a latent value in [0, 1]; beyond it, the last level."""
        span = self.highest - self.lowest
        return self.lowest + round(min(max(latent, 0.0), 1.0) * span)


def flags_of(task: Task, response_id: str, worker: Worker, rubric: Rubric, seed: int) -> list[str]:
    """Return the flag that a rater sets on a response, in about one of fifty cases."""
    rater = _whose_eyes(task, worker, seed)
    die = unit_interval(seed, "flag", task["task_id"], response_id, rater.name)
    if not rubric.flags or die >= FLAGGED_SHARE:
        return []
    return [rubric.flags[int(die / FLAGGED_SHARE * len(rubric.flags))]]


def scores_of(task: Task, response: dict[str, Any], worker: Worker, rubric: Rubric, seed: int) -> dict[str, int]:
    """Return a rater's score of each attribute of a response."""
    rater = _whose_eyes(task, worker, seed)
    if rater.straight_lines:
        latent = 0.5 + 0.2 * _normal(seed, "line", task["task_id"], rater.name)
        return dict.fromkeys(rubric.attributes, rubric.level(latent))
    return {
        name: rubric.level(_seen(_latent(task, response, name, place / len(rubric.attributes), seed), rater, dice))
        for place, name in enumerate(rubric.attributes)
        for dice in [(seed, "seen", task["task_id"], response["response_id"], rater.name, name)]
    }


def preference_of(task: Task, worker: Worker, rubric: Rubric, seed: int) -> tuple[int, str] | None:
    """Return a rater's preference (-3..-1: the first response, 1..3: the last) and the words for it."""
    if not rubric.preference or len(task["responses"]) < 2:
        return None
    rater = _whose_eyes(task, worker, seed)
    first, last = (
        _seen_quality(task, response, rater, seed) for response in (task["responses"][0], task["responses"][-1])
    )
    strength = min(3, 1 + int(abs(last - first) * 5))
    better = "second" if last > first else "first"
    degree = ("slightly", "clearly", "much")[strength - 1]
    words = f"Simulated rating: to this rater's rules and dice the {better} reply came out {degree} ahead."
    return (strength if better == "second" else -strength), words


def _whose_eyes(task: Task, worker: Worker, seed: int) -> Worker:
    """Return the rater whose judgement is handed in: a copier's is mostly that of another."""
    if worker.copies and unit_interval(seed, "copy", task["task_id"], worker.name) < COPIED_SHARE:
        return BY_NAME[worker.copies]
    return worker


def _seen_quality(task: Task, response: dict[str, Any], rater: Worker, seed: int) -> float:
    return _seen(
        quality(task, response, seed), rater, (seed, "liked", task["task_id"], response["response_id"], rater.name)
    )


def _seen(latent: float, rater: Worker, dice: tuple[str | int, ...]) -> float:
    """Return a latent value as a rater sees it; ``dice`` are the ids that the error is thrown for."""
    seed, _, task_id = dice[:3]
    if unit_interval(seed, "careless", task_id, rater.name) < rater.carelessness:
        return 0.5 + CARELESS_REACH * (unit_interval("random", *dice) - 0.5)
    return latent + (_normal(*dice) * rater.noise - rater.severity) / LEVELS


def _latent(task: Task, response: dict[str, Any], attribute: str, place: float, seed: int) -> float:
    """Return an attribute's true value; ``place`` in [0, 1) is its place in the rubric."""
    share = 0.95 if place < 0.4 else 0.5
    own = unit_interval(seed, "own", response["response_id"], attribute)
    return share * quality(task, response, seed) + (1 - share) * own


def quality(task: Task, response: dict[str, Any], seed: int) -> float:
    """Return a response's common quality: half from its text, half from dice, stretched over [0, 1]."""
    features = text_features(task["messages"][-1]["content"], response["text"])
    mixed = 0.45 * sum(features) / len(features) + 0.55 * unit_interval(seed, "quality", response["response_id"])
    return min(max(0.5 + SPREAD * (mixed - 0.55), 0.0), 1.0)


def text_features(prompt: str, response: str) -> tuple[float, float, float, float]:
    """Return length, variety, closeness to the prompt and a finished end, each in [0, 1]."""
    words = re.findall(r"\w+", response.lower())
    asked = {word for word in re.findall(r"\w+", prompt.lower()) if len(word) > 3}
    length = min(len(words) / 60, 1.0)
    variety = len(set(words)) / len(words) if words else 0.0
    closeness = len(asked.intersection(words)) / len(asked) if asked else 0.5
    finished = float(response.rstrip().endswith((".", "!", "?", '"', "”", ")", ":")))
    return length, variety, closeness, finished


def _normal(*ids: str | int) -> float:
    """Return a nearly normal deviate for ids: the sum of twelve uniforms (Irwin-Hall), less six.

    Plain sums, so that every machine throws the same dice to the last bit.
    """
    hexadecimal = digest(list(ids))
    return sum(int(hexadecimal[5 * i : 5 * i + 5], 16) / 16**5 for i in range(12)) - 6
