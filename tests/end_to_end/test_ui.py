"""The Dagster UI on a starter run, in a real headless Chromium."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.end_to_end.conftest import STEERWORKS, Starter

CHROMIUM = shutil.which("chromium")
GROUPS = ("prompts", "responses", "annotation", "quality", "release")
# Without these Chromium talks to its maker at every start.
QUIET = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.timeout(900),
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed"),
]


@pytest.fixture(scope="module")
def address(starter: Starter) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [STEERWORKS, "ui", "--port", str(port)],
        env=starter.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_until_up(f"http://127.0.0.1:{port}/server_info")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _wait_until_up(url: str) -> None:
    for _ in range(120):
        try:
            urllib.request.urlopen(url, timeout=5)  # noqa: S310 - loopback
        except OSError:
            time.sleep(1)
        else:
            return
    pytest.fail("the UI did not come up in two minutes")


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures are kept: set STEERWORKS_SCREENSHOTS=docs/images to renew those of the README."""
    folder = os.environ.get("STEERWORKS_SCREENSHOTS")
    return Path(folder) if folder else tmp_path_factory.mktemp("screenshots")


def test_the_lineage_page_shows_every_group_and_asset(address: str, screenshots: Path) -> None:
    from playwright.sync_api import expect, sync_playwright

    expanded = quote(",".join(f"global@global:{group}" for group in GROUPS))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(viewport={"width": 1700, "height": 760})
        page.goto(f"{address}/asset-groups/?expanded={expanded}")
        for name in (*GROUPS, "raw_prompts", "annotation_tasks", "agreement", "dataset_release"):
            expect(page.get_by_text(name, exact=True).first).to_be_visible(timeout=30_000)
        page.wait_for_timeout(2000)
        page.screenshot(path=screenshots / "lineage.png")
        browser.close()


def test_an_asset_page_shows_schema_rows_owner_and_checks(address: str, screenshots: Path) -> None:
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(viewport={"width": 1500, "height": 900})
        page.goto(f"{address}/assets/consensus")
        for text in ("Row count", "scores", "mean of those kept, rounded half up; null below two", "DuckDB", "Parquet"):
            expect(page.get_by_text(text).first).to_be_visible(timeout=30_000)
        page.screenshot(path=screenshots / "asset.png")
        page.goto(f"{address}/assets/consensus?view=checks")
        expect(page.get_by_text("Passed").or_(page.get_by_text("Succeeded")).first).to_be_visible(timeout=30_000)
        page.goto(f"{address}/assets/consensus?view=events")
        expect(page.get_by_text("dagster/partition_row_count").first).to_be_visible(timeout=30_000)
        browser.close()


def test_the_plots_of_agreement_are_drawn_in_its_page(address: str) -> None:
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(viewport={"width": 1500, "height": 1200})
        page.goto(f"{address}/assets/agreement?view=events")
        expect(page.get_by_text("lift over chance selection").first).to_be_visible(timeout=30_000)
        for name in ("kappa, plotted", "disagreement", "ratings by number of annotators", "retention"):
            page.get_by_role("row", name=name).get_by_text("Show Markdown").click()
            expect(page.get_by_role("dialog").locator("img").first).to_be_visible()
            widths = page.locator("img").evaluate_all("images => images.map(image => image.naturalWidth)")
            assert all(widths), f"{name}: a picture cannot be drawn"
            page.keyboard.press("Escape")
            expect(page.locator("img")).to_have_count(0)
        browser.close()


def test_the_runs_of_the_command_line_are_there_to_browse(address: str) -> None:
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page()
        page.goto(f"{address}/runs")
        for job in ("release_job", "consensus_job", "responses_job"):
            expect(page.get_by_text(job).first).to_be_visible(timeout=30_000)
        browser.close()
