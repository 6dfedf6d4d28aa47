"""The examples of docs/releases-for-trainers.md run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dagster_project.releases.exporters import FORMATS
from dagster_project.settings import PROJECT_ROOT

pytestmark = pytest.mark.slow

PAGE = (PROJECT_ROOT / "docs" / "releases-for-trainers.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_examples_run_on_a_release(small_release: Path, tmp_path: Path) -> None:
    """Those that need a trainer, which is not here, are held to the language alone."""
    for example in EXAMPLES:
        compile(example, "example", "exec")
    program = "\n".join(example for example in EXAMPLES if not example.startswith("# needs"))
    offline = {"HF_DATASETS_OFFLINE": "1", "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    environment = {**os.environ, **offline, "RELEASE": str(small_release / "home" / "releases" / "v0.1.0")}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_every_format_is_on_the_page_with_its_rule_for_ties() -> None:
    for kind in FORMATS:
        [row] = re.findall(rf"^\| `{kind.name}` \|.*\|$", PAGE, re.MULTILINE)
        assert row.endswith(f"| {kind.ties.replace('_', ' ')} |")
