"""What curation knows of each batch, kept in the lake and made again only where it must be.

For each batch, in order of intake: `raw_prompts` (of the delivered file), `prompt_signatures` (of the
batch's prompts), `prompt_verdicts` (of these, the filters and the benchmarks) and `prompt_clusters` (of these
and of all batches before). Each carries the hash of what it was made from. So it makes no difference in which order
batches are materialised: a batch that is taken in earlier and is not there yet is made first.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

from dagster_project.curation import benchmarks as benchmark_rules
from dagster_project.curation import clustering, normalising, signatures
from dagster_project.curation.clustering import cluster_batch
from dagster_project.curation.delivery import PromptDelivery, delivered_batches, find_delivery
from dagster_project.curation.examining import examine_batch
from dagster_project.curation.filters import chain
from dagster_project.curation.filters.rules import rules_path
from dagster_project.curation.raw import take_in_prompts
from dagster_project.errors import SteerworksError
from dagster_project.identity import digest, file_sha256
from dagster_project.lake import Lake
from dagster_project.settings import CurationFile, Home
from dagster_project.settings.curation import RulesFilter


def bring_up_to_date(lake: Lake, home: Home, curation: CurationFile, batch: str) -> None:
    """Make what is missing or outdated of a batch and of those taken in before it.

    Raises:
        SteerworksError: a delivery, a list of rules or a benchmark cannot be read.
    """
    rules, before = _rules_hash(curation), ""
    for delivery in _up_to(home, batch):
        before = _bring_batch(lake, home, curation, delivery, rules, before)


def _bring_batch(
    lake: Lake, home: Home, curation: CurationFile, delivery: PromptDelivery, rules: str, before: str
) -> str:
    """Bring one batch up to date; return the hash of all that its clusters follow from."""
    batch, partition = delivery.batch, {"prompt_batch": delivery.batch}
    if not lake.exists("raw_prompts", partition):
        take_in_prompts(lake, home, batch, curation.intake)
    prompts = lake.made_from("raw_prompts", partition) or lake.content_hash("raw_prompts", partition)
    wanted = {
        "prompt_signatures": digest([signatures.VERSION, normalising.VERSION, prompts]),
        "prompt_verdicts": digest([rules, prompts]),
    }
    outdated = {
        table: made_from for table, made_from in wanted.items() if lake.made_from(table, partition) != made_from
    }
    if outdated:
        examine_batch(lake, curation, batch, outdated)
    cluster_from = curation.duplicates.cluster_from
    clusters = digest([clustering.VERSION, cluster_from, *wanted.values(), before])
    if lake.made_from("prompt_clusters", partition) != clusters:
        numbers = (delivery.first_number, delivery.first_number + delivery.rows - 1)
        cluster_batch(lake, batch, numbers, cluster_from, clusters)
    return clusters


def _up_to(home: Home, batch: str) -> Iterator[PromptDelivery]:
    last = find_delivery(home, batch)
    yield from takewhile(lambda delivery: delivery.first_number <= last.first_number, delivered_batches(home))


def _rules_hash(curation: CurationFile) -> str:
    """Return the hash of all that verdicts follow from, beside the prompts."""
    lists = {
        name: _file_hash(rules_path(name, one.rules))
        for name, one in curation.filters
        if isinstance(one, RulesFilter) and one.enabled
    }
    settings = curation.model_dump(mode="json", include={"length", "filters", "benchmarks"})
    sets = [_file_hash(one.file) for one in curation.benchmarks.sets]
    versions = [chain.VERSION, benchmark_rules.VERSION, signatures.VERSION, normalising.VERSION]
    return digest([versions, settings, lists, sets])


def _file_hash(path: Path) -> str:
    if not path.is_file():
        raise SteerworksError(f"{path}: no such file. curation.yaml names it.")
    return file_sha256(path)
