"""One run of the whole lineage on the embedded model, killed once on its way; many tests look at what it left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from dagster_project.settings import PROJECT_ROOT, Home, Settings
from tests.installation import Installation

STEERWORKS = Path(sys.executable).with_name("steerworks")


@dataclass(frozen=True)
class Starter(Installation):
    """The installation of a starter run, and what its command said."""

    environment: dict[str, str]
    answered_before_the_kill: list[str]
    output: str

    @property
    def release(self) -> Path:
        return self.home.releases / "v0.1.0"

    def steerworks(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [STEERWORKS, *arguments], env=self.environment, capture_output=True, text=True, check=False, timeout=600
        )


@pytest.fixture(scope="session")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Starter:
    """Run `steerworks run`, kill it with SIGKILL in the middle of `responses`, and run it again to the end."""
    root = tmp_path_factory.mktemp("starter")
    config = root / "config"
    shutil.copytree(PROJECT_ROOT / "config", config, ignore=shutil.ignore_patterns("*.lock.json"))
    _shorten_answers(config / "models.yaml")
    settings = Settings(config, Home(root / "home"))
    environment = os.environ | {
        "STEERWORKS_HOME": str(settings.home.root),
        "STEERWORKS_CONFIG": str(config),
        "COLUMNS": "120",
    }
    journals = settings.home.lake / "journal" / "model=smollm2-135m-plain"
    before = _kill_in_the_middle(environment, journals)
    again = subprocess.run([STEERWORKS, "run"], env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stdout + again.stderr
    return Starter(settings, environment, before, again.stdout)


def _shorten_answers(models: Path) -> None:
    """A few tokens each: most of a run's time is the model's, and longer answers would show nothing more."""
    text = models.read_text()
    for usual, short in (("max_tokens: 96", "max_tokens: 12"), ("max_tokens: 64", "max_tokens: 10")):
        assert usual in text
        text = text.replace(usual, short)
    models.write_text(text)


def _kill_in_the_middle(environment: dict[str, str], journals: Path) -> list[str]:
    """Start a run, kill it when some answers are written down, and return those."""
    process = subprocess.Popen(
        [STEERWORKS, "run"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 240
    while len(lines := _lines(journals)) < 5:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, "no answer was written down in four minutes"
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return [line for line in _lines(journals) if line.endswith("}")] or lines


def _lines(journals: Path) -> list[str]:
    return [line for path in sorted(journals.glob("*.jsonl")) for line in path.read_text().splitlines()]
