"""The names of what a campaign rates, for who only puts them to stored ratings.

Belongs here: finding these names in the files. Does not belong here: whether the files hold together, which is
`Settings.rubric_of`'s question; to ask it takes longer than to look a rating up.
"""

from __future__ import annotations

from pathlib import Path

from dagster_project.settings.yaml_text import read_yaml

RUBRIC_FILE = "rubric.yaml"
"""The rubric of a campaign that names none."""


def attribute_names(folder: Path, campaign: str) -> list[str]:
    """Return the names of a campaign's attributes in the rubric's order; none if the campaign is configured no more.

    Args:
        folder: the configuration folder.
        campaign: its slug.

    Raises:
        SteerworksError: a file is absent, or not YAML.
    """
    campaigns = read_yaml(folder / "campaigns.yaml")
    try:
        rubric = read_yaml(folder / campaigns["campaigns"][campaign].get("rubric", RUBRIC_FILE))
        return [attribute["name"] for attribute in rubric["attributes"]]
    except (AttributeError, KeyError, TypeError):
        return []
