"""How complex a prompt is, by rule over its text: the more it asks for and the more conditions it sets, the higher.

The rule counts, over all user turns,

- intentions: questions, and clauses that begin with an instruction ("compare", "list", "write" …);
- constraints: numbers of words or items, forms, audiences, what must or must not be, conditions;
- a half point for each doubling of the text beyond 200 characters, for material that has to be read.

Their sum, a constraint counting three quarters, is cut into levels at `CUTS`. It is English, knows no subject matter,
and takes a long word problem for harder than a short proof: a judge is better wherever there is one.

Belongs here: the rule. Does not belong here: the judge, and which of the two counts.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence

CUTS = (1.75, 3.0, 4.5, 6.5)
"""Lowest sums of levels 2 to 5."""
_CONSTRAINT_WEIGHT = 0.75
_FREE_CHARACTERS = 200

_VERBS = (
    "add|adapt|adjust|advise|analy[sz]e|answer|argue|assess|brainstorm|calculate|change|check|choose|classify|combine|"
    "compare|complete|compose|compute|continue|contrast|convert|correct|create|critique|decide|define|derive|describe|"
    "design|develop|discuss|draft|draw|edit|estimate|evaluate|expand|explain|extract|figure|fill|find|fix|generate|give|"
    "group|guess|help|identify|imagine|improve|invent|judge|justify|label|list|make|mark|mention|name|offer|order|outline|"
    "paraphrase|pick|plan|point|prepare|present|produce|propose|prove|provide|put|rank|rate|recommend|reduce|refute|replace|"
    "rephrase|reply|respond|rewrite|say|score|select|shorten|show|simplify|sketch|solve|sort|split|state|suggest|"
    "summari[sz]e|take|tell|translate|turn|verify|walk|work|write"
)
_CLAUSE = r"(?:^|[.!?;:,\n]\s*|\b(?:and|then|also|please|you|to|or)\s+)(?:[-*•]\s*|\d+[.)]\s*)?"
_INTENTION = re.compile(rf"{_CLAUSE}(?:{_VERBS})\b|\?", re.IGNORECASE | re.MULTILINE)
_THINGS = (
    "characters?|columns?|examples?|facts?|ideas?|items?|lines?|options?|pages?|paragraphs?|parts?|points?|questions?|"
    "reasons?|rows?|sections?|sentences?|stanzas?|steps?|syllables?|things?|tips?|titles?|verses?|ways?|words?"
)
_NUMBER = r"(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty)"
_CONSTRAINT = re.compile(
    rf"\b{_NUMBER}(?:[ -](?:or|to)[ -]{_NUMBER})?[ -](?:\w+[ -])?(?:{_THINGS})\b"
    r"|\b(?:at (?:most|least)|no (?:more|fewer|less|longer) than|up to|exactly|under|within|between) (?:\d|one|two|a )"
    r"|\b(?:must|should|needs? to|have to|has to|may not|can't|cannot|don't|do not|doesn't|never|without|avoid\w*)\b"
    r"|\b(?:only|except|unless|instead of|rather than|as long as|provided that|if)\b"
    r"|\b(?:in the (?:form|voice|manner) of|in (?:plain|simple) \w+|tone|style|format|rhym\w+|alphabetical\w*)\b"
    r"|\b(?:as|in|into|using) (?:an? )?(?:bulleted |numbered |short )?"
    r"(?:table|list|json|csv|markdown|bullets?|poem|e-?mail)\b"
    r"|\b(?:for|to) (?:a|an|my|our) (?:\w+ )?(?:audience|beginner|child|children|class|client|colleague|expert|friend|"
    r"manager|boss|student|teacher|year-old|\d+)"
    r"|\b(?:including|include|keep(?:ing)?|ensur\w+|make sure|each|every|in order|step by step)\b",
    re.IGNORECASE,
)


def level_by_rule(messages: Sequence[Mapping[str, str]]) -> int:
    """Return the level of a prompt, 1 to 5, from its user turns."""
    text = "\n".join(turn["content"] for turn in messages if turn["role"] == "user")
    return 1 + bisect_right(CUTS, _sum(text))


def _sum(text: str) -> float:
    intentions = len(_INTENTION.findall(text))
    constraints = len(_CONSTRAINT.findall(text))
    material = max(0.0, math.log2(max(len(text), 1) / _FREE_CHARACTERS))
    return intentions + _CONSTRAINT_WEIGHT * constraints + 0.5 * material
