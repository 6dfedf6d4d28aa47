"""The export for TRL, read and trained on for a step by TRL itself."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
from pathlib import Path

import pytest

TRL = shutil.which("trl")
PROGRAM = Path(__file__).with_name("trl_step.py")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.trl,
    pytest.mark.skipif(not TRL, reason="TRL with a CPU build of torch is not installed here; see .ci/run"),
]


def test_trl_trains_a_reward_model_and_dpo_on_the_rows_as_they_are(small_release: Path, tmp_path: Path) -> None:
    release = small_release / "home" / "releases" / "v0.1.0"
    python = str(Path(str(TRL)).resolve().with_name("python"))
    offline = dict.fromkeys(("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"), "1")
    ended = subprocess.run(
        [python, str(PROGRAM), str(release), str(tmp_path)],
        env={**os.environ, **offline, "HF_HOME": str(tmp_path / "hub")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told["pairs"] > 0
    assert told["margins"] == [1.0, 1.0]
    assert math.isfinite(told["reward"])
    assert told["dpo"] == pytest.approx(math.log(2), abs=0.01)
