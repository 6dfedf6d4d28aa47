"""What each prompt's own text is held to: small filters, each with its reason and figure.

Belongs here: one module a kind of filter, and the order in which they are asked. Does not belong
here: comparing prompts with others (`clustering`, `benchmarks`).
"""

from dagster_project.curation.filters.chain import FilterChain, Verdict

__all__ = ["FilterChain", "Verdict"]
