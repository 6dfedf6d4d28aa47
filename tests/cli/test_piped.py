"""What a command writes into a file, where no terminal shows bars: whole lines, and one now and then on the way."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml

from dagster_project.cli.launch import Launcher
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, serve_models
from dagster_project.settings import PROJECT_ROOT, Home, Settings
from tests.generation.cells import write_prompts

BATCH = "questions-of-the-help-desk-of-the-northern-branch-in-the-spring"
MODEL = "a-model-whose-name-alone-takes-more-than-half-of-a-line"
IMPATIENT_BACKFILL = """
import sys
from dagster_project.cli import main, progress
progress.SECONDS_BETWEEN_LINES = 0.2
sys.argv = ["steerworks", "backfill"]
main()
"""


@pytest.mark.slow
def test_lines_in_a_file_are_whole_and_tell_how_far_a_model_has_come(
    home: Home, config: Path, settings: Settings, tmp_path: Path
) -> None:
    text = yaml.safe_load((config / "models.yaml").read_text())
    curation = yaml.safe_load((config / "curation.yaml").read_text()) | {"completion_model": MODEL}
    (config / "curation.yaml").write_text(yaml.safe_dump(curation))
    log = tmp_path / "log"
    with serve_models(Behaviour(latency=0.3)) as server:
        text["endpoints"]["embedded"] = {"base_url": server.address, "max_in_flight": 1}
        text["models"] = {MODEL: text["models"]["smollm2-135m-plain"]}
        (config / "models.yaml").write_text(yaml.safe_dump(text))
        write_prompts(Lake(home.lake), [f"What grows in month {month}?" for month in range(6)], BATCH)
        Launcher(settings)  # makes the folder of the instance
        with dg.DagsterInstance.get() as instance:
            instance.add_dynamic_partitions("prompt_batch", [BATCH])
        with log.open("w") as file:
            command = [sys.executable, "-c", IMPATIENT_BACKFILL]
            subprocess.run(command, stdout=file, check=True, timeout=120, cwd=PROJECT_ROOT)
    first, *between, last = log.read_text().splitlines()
    assert first == f"… {MODEL}|{BATCH}"
    assert between
    assert all(re.fullmatch(rf"  {MODEL}: \d of 6, \d\.\d/s, 0:00:\d\d left", line) for line in between)
    assert re.fullmatch(rf"✓ {re.escape(first[2:])}: 6 of 6, \d\.\d/s \d+\.\d s", last)
