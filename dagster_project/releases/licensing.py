"""The licence gate: may a release under its licence hold what the tasks are made of?

Belongs here: the kind of each model's terms, prompt source's and vendor's licence, and what follows. Does not belong
here: the rules (`config/licences.yaml`), or leaving tasks out (`sql/release/barred_tasks`).

Terms belong to weights, not to slugs: an entry of `weights` in the rules, or terms that answers of the same weights
were ever stored under, count whatever a model is called now and whatever is claimed for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict

from dagster_project.lake import Lake, Session
from dagster_project.releases.inputs import ReleaseInputs, open_campaigns
from dagster_project.settings import LicencesFile, ReleaseSpec, Settings
from dagster_project.settings.licences import NO_DERIVATIVE_MODELS, UNKNOWN, Kind, Outcome, short_name

ORIGIN = ("role", "campaign", "source", "model_name", "revision", "endpoint", "licence", "may_train")
ORIGINS_SCHEMA = pl.Schema({**dict.fromkeys(ORIGIN, pl.String), "may_train": pl.Boolean, "kind": pl.String})
SHORTEST_TELLING_REVISION = 7
"""A revision this long names weights by itself, as a commit does."""


class KnownTerms(BaseModel):
    """Terms that answers of some weights were stored under."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    model_name: str
    revision: str
    licence: str
    outputs_may_train: bool


@dataclass(frozen=True)
class Finding:
    """Material that the release may not hold, why, and what follows."""

    origin: dict[str, Any]
    kind: Kind
    because: str
    outcome: Outcome


def known_terms(lake: Lake, inputs: ReleaseInputs) -> list[KnownTerms]:
    """Return terms that the weights in some campaigns were stored under besides those of their own answers."""
    with Session() as session:
        open_campaigns(session, lake, inputs)
        session.table(lake, "responses", None, "all_responses")
        origins = session.query("release/text_origins").to_dicts()
        stored = [KnownTerms.model_validate(row) for row in session.query("release/stored_terms").to_dicts()]
    stated = {(o["model_name"], o["revision"], o["licence"], o["may_train"]) for o in origins}
    weights = [name for origin in origins if (name := _weights(origin, stored))]
    return [
        terms
        for terms in stored
        if any(_are_the_same(terms, *one) for one in weights)
        and (terms.model_name, terms.revision, terms.licence, terms.outputs_may_train) not in stated
    ]


def findings(
    session: Session, settings: Settings, spec: ReleaseSpec, inputs: ReleaseInputs, known: Sequence[KnownTerms]
) -> list[Finding]:
    """Return everything in the tasks of a session that the release may not hold."""
    rules = settings.licences
    release = rules.kind_of(spec.licence)
    origins = session.query("release/text_origins").to_dicts()
    vendors = [_vendor(settings, slug, name) for slug in inputs.campaigns for name in settings.campaign(slug).vendors]
    return [
        Finding(origin, kind, because, outcome)
        for origin in [*origins, *vendors]
        for kind, because in [_worst(rules, release, list(_kinds(settings, origin, known)))]
        if (outcome := rules.outcome(release, kind))
    ]


def refused(found: Sequence[Finding], spec: ReleaseSpec, rules: LicencesFile) -> list[str]:
    """Return what refuses the release, in words."""
    unlisted = (
        [f"the release's own licence `{spec.licence}` may hold nothing by `may_hold` in licences.yaml: list it there"]
        if rules.kind_of(spec.licence) not in rules.may_hold
        else []
    )
    return [*unlisted, *(_words(finding, spec) for finding in found if finding.outcome == "refuse")]


def excluded_origins(found: Sequence[Finding]) -> pl.DataFrame:
    """Return the origins whose tasks are left out."""
    rows = [{**f.origin, "kind": f.kind} for f in found if f.outcome == "exclude"]
    return pl.DataFrame([{name: row[name] for name in ORIGINS_SCHEMA} for row in rows], schema=ORIGINS_SCHEMA)


def _kinds(settings: Settings, origin: dict[str, Any], known: Sequence[KnownTerms]) -> Iterator[tuple[Kind, str]]:
    """Yield every kind that material is of, with what says so."""
    rules = settings.licences
    licence = origin["licence"]
    if origin["role"] in ("prompt", "vendor"):
        yield rules.kind_of(licence), f"licence {licence}"
        return
    name, revision, endpoint = _names(settings, origin, known)
    if (kind := rules.kind_of_weights(name, revision, endpoint)) is not None:
        yield kind, f"`weights` in licences.yaml says so of {name or endpoint}"
    yield _stated(rules, origin), f"licence {licence}"
    for terms in known if kind is None else ():
        if _are_the_same(terms, name, revision):
            stored = NO_DERIVATIVE_MODELS if not terms.outputs_may_train else rules.kind_of(terms.licence)
            yield stored, f"answers of {terms.model_name} were stored so as `{terms.model}` ({terms.licence})"


def _stated(rules: LicencesFile, origin: dict[str, Any]) -> Kind:
    if origin["may_train"] is False:
        return NO_DERIVATIVE_MODELS
    if origin["may_train"] is None and origin["source"] is not None:
        return UNKNOWN
    return rules.kind_of(origin["licence"])


def _worst(rules: LicencesFile, release: Kind, kinds: list[tuple[Kind, str]]) -> tuple[Kind, str]:
    """Return a kind that may not be held if there is one, rather one that refuses the release."""
    rank = {"refuse": 0, "exclude": 1, None: 2}
    return min(kinds, key=lambda kind: rank[rules.outcome(release, kind[0])])


def _names(
    settings: Settings, origin: dict[str, Any], known: Sequence[KnownTerms]
) -> tuple[str | None, str | None, str | None]:
    """Return name, revision and address of an origin's weights, as far as they are known.

    Of a model that filled in turns only the slug is stored, and an imported one may have no other name.
    """
    models, slug = settings.models, origin["source"]
    configured = models.models.get(slug) if slug else None
    stored = next((terms for terms in known if terms.model == slug), None) if origin["role"] == "turns" else None
    stand_in = stored.model_name if stored else configured.name if configured else slug
    name: str | None = origin["model_name"] or stand_in
    revision: str | None = origin["revision"] or (
        stored.revision if stored else configured.revision if configured else None
    )
    server = models.endpoints.get(origin["endpoint"] or (configured.endpoint if configured else ""))
    address = server.base_url if server and server.base_url else origin["endpoint"]
    return name, revision, f"{address.rstrip('/')}/" if address else None


def _weights(origin: dict[str, Any], stored: Sequence[KnownTerms]) -> tuple[str | None, str | None] | None:
    if origin["role"] == "prompt":
        return None
    if origin["role"] == "turns":
        return next(
            ((t.model_name, t.revision) for t in stored if t.model == origin["source"]), (origin["source"], None)
        )
    return origin["model_name"] or origin["source"], origin["revision"]


def _are_the_same(terms: KnownTerms, name: str | None, revision: str | None) -> bool:
    """Say whether terms are about some weights: by their name, or by a revision that tells."""
    if name and short_name(terms.model_name) == short_name(name):
        return True
    return bool(revision) and len(revision or "") >= SHORTEST_TELLING_REVISION and terms.revision == revision


def _vendor(settings: Settings, campaign: str, name: str) -> dict[str, Any]:
    nothing = dict.fromkeys(ORIGIN)
    return {
        **nothing,
        "role": "vendor",
        "campaign": campaign,
        "source": name,
        "licence": settings.vendors.vendors[name].licence,
        "responses": 0,
    }


def _words(finding: Finding, spec: ReleaseSpec) -> str:
    origin, licence = finding.origin, finding.origin["licence"] or "unknown"
    where = f"campaign `{origin['campaign']}`"
    if origin["role"] == "vendor":
        return (
            f"{where} was rated by `{origin['source']}` under {licence}, which is {finding.kind}: its ratings cannot "
            f"be released under {spec.licence}. Agree on other terms, or list the licence in licences.yaml"
        )
    shows = f"{where} shows {origin['responses']} responses"
    if origin["role"] == "prompt":
        return (
            f"{shows} to prompts from {origin['source']} under {licence}, which is {finding.kind}: they cannot be "
            f"released under {spec.licence}. Make a campaign without them, or list the licence in licences.yaml"
        )
    if origin["source"] is None:
        return (
            f"{shows} that name neither a model nor a licence: state who wrote them, or under which licence, in the "
            "imported file, and open another campaign from it"
        )
    text = f"{shows} with text of the model `{origin['source']}`"
    if finding.kind == UNKNOWN and (origin["licence"] is None or origin["may_train"] is None):
        return (
            f"{text}, whose terms are not known: state `licence` and `outputs_may_train` with each of its responses in "
            "the imported file, and open another campaign from it"
        )
    if finding.kind == UNKNOWN:
        return f"{text}, whose licence {licence} is of no known kind: list it in licences.yaml"
    words = (
        "whose terms do not let its outputs train other models"
        if finding.kind == NO_DERIVATIVE_MODELS
        else f"whose terms are {finding.kind}"
    )
    claimed = "" if finding.because == f"licence {origin['licence']}" else f" ({finding.because})"
    return (
        f"{text} ({licence}), {words}{claimed}: they cannot be released under {spec.licence}. Make a campaign "
        "without it"
    )
