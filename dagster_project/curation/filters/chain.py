"""The filters in their order. The first that excludes a prompt gives its reason; the others are not asked.

The order: what is no prompt any more (`withdrawn`) or none at all (`invalid`, `unknown_licence`), what would spoil
an evaluation (`benchmark_overlap`), what is told by counting (`too_many_turns`, `too_short`, `too_long`), then what is
told by reading: `language`, `personal_data`, `code`, `identity`, `unsafe`, `not_self_contained`.
Duplicates come after all of these, among the prompts that are left. Belongs here: this order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dagster_project.curation.filters import language, personal_data
from dagster_project.curation.filters.rules import RuleList, rules_path
from dagster_project.curation.filters.scorer import Scorer, load_scorer
from dagster_project.settings.curation import Filters, Length, RulesFilter
from dagster_project.withdrawn import WITHDRAWN

VERSION = 1
BETWEEN_TURNS = "\n\n"

Findings = Mapping[int, str]


@dataclass(frozen=True)
class Subject:
    """A prompt as the filters see it: what its user says, and what its row says of it."""

    turns: Sequence[str]
    licence: str
    defect: str | None


@dataclass
class Verdict:
    """What is said of a prompt; no reason for one that passes."""

    reason: str | None = None
    detail: str | None = None
    language: str | None = None


@dataclass
class FilterChain:
    """All filters of a configuration, ready to be asked of many prompts at once."""

    length: Length
    filters: Filters
    _rules: dict[str, RuleList] = field(init=False, default_factory=dict)
    _scorer: Scorer | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        for name, settings in self.filters:
            if isinstance(settings, RulesFilter) and settings.enabled:
                self._rules[name] = RuleList(rules_path(name, settings.rules), ignore_quotes=name == "identity")
        unsafe = self.filters.unsafe
        if unsafe.enabled and unsafe.scorer:
            self._scorer = load_scorer(unsafe.scorer)

    def judge(self, subjects: Sequence[Subject], overlaps: Findings) -> list[Verdict]:
        """Return a verdict for each prompt.

        Args:
            subjects: the prompts.
            overlaps: those that hold a benchmark's item, by their place, with the detail.
        """
        judging = _Judging([Verdict() for _ in subjects])
        judging.exclude(WITHDRAWN, lambda at: _withdrawn(subjects[at].defect))
        judging.exclude("invalid", lambda at: subjects[at].defect)
        if self.filters.licence.enabled:
            judging.exclude("unknown_licence", lambda at: self._unknown_licence(subjects[at].licence))
        judging.exclude("benchmark_overlap", overlaps.get)
        judging.exclude("too_many_turns", lambda at: self._too_many(len(subjects[at].turns)))
        sizes = [sum(map(len, subject.turns)) for subject in subjects]
        judging.exclude(
            "too_short", lambda at: f"{sizes[at]} characters" if sizes[at] < self.length.min_chars else None
        )
        judging.exclude("too_long", lambda at: f"{sizes[at]} characters" if sizes[at] > self.length.max_chars else None)
        self._read(judging, [BETWEEN_TURNS.join(subject.turns) for subject in subjects])
        return judging.verdicts

    def _read(self, judging: _Judging, texts: Sequence[str]) -> None:
        if self.filters.language.enabled:
            self._tell_languages(judging, texts)
        if self.filters.personal_data.enabled:
            kinds = self.filters.personal_data.kinds
            judging.exclude_found("personal_data", texts, lambda some: personal_data.findings(some, kinds))
        for name in ("code", "identity", "unsafe"):
            if name in self._rules:
                judging.exclude_found(name, texts, self._rules[name].findings)
        if self._scorer:
            judging.exclude_found("unsafe", texts, self._unsafe_by_score)
        if "not_self_contained" in self._rules:
            judging.exclude_found("not_self_contained", texts, self._rules["not_self_contained"].findings)

    def _tell_languages(self, judging: _Judging, texts: Sequence[str]) -> None:
        waiting = judging.waiting
        told = dict(zip(waiting, language.languages([texts[at] for at in waiting]), strict=True))
        for at, one in told.items():
            judging.verdicts[at].language = one.language
        judging.exclude("language", lambda at: language.finding(told[at], self.filters.language))

    def _unsafe_by_score(self, texts: Sequence[str]) -> dict[int, str]:
        scorer, settings = self._scorer, self.filters.unsafe.scorer
        if scorer is None or settings is None or not texts:
            return {}
        scores = enumerate(scorer(texts))
        return {at: f"scored {score:.2f} by the model" for at, score in scores if score >= settings.threshold}

    def _unknown_licence(self, licence: str) -> str | None:
        plain = licence.strip().lower()
        return f"`{licence.strip()}`" if not plain or plain in self.filters.licence.unknown else None

    def _too_many(self, turns: int) -> str | None:
        return f"{turns} turns" if turns > self.length.max_turns else None


def _withdrawn(defect: str | None) -> str | None:
    rule, _, detail = (defect or "").partition(": ")
    return detail if rule == WITHDRAWN else None


@dataclass
class _Judging:
    """Verdicts in the making."""

    verdicts: list[Verdict]

    @property
    def waiting(self) -> list[int]:
        """The places of prompts that nothing has excluded yet."""
        return [at for at, verdict in enumerate(self.verdicts) if verdict.reason is None]

    def exclude(self, reason: str, detail_of: Callable[[int], str | None]) -> None:
        """Exclude each waiting prompt for which there is a detail."""
        for at in self.waiting:
            if (detail := detail_of(at)) is not None:
                self.verdicts[at].reason, self.verdicts[at].detail = reason, detail

    def exclude_found(
        self, reason: str, texts: Sequence[str], find: Callable[[Sequence[str]], Mapping[int, str]]
    ) -> None:
        """Exclude each waiting prompt that a search over all waiting texts finds."""
        waiting = self.waiting
        found = find([texts[at] for at in waiting])
        for place, detail in found.items():
            self.verdicts[waiting[place]].reason, self.verdicts[waiting[place]].detail = reason, detail
