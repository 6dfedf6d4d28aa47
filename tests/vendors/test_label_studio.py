"""A real Label Studio: tasks to it, annotations from it, by its API and by hand in a browser."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from dagster_project.automation import build_sensors
from dagster_project.cli.annotate import LABEL_STUDIO, USER, _secret, running
from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.settings import Home, Settings
from dagster_project.vendors import Merged, Pseudonyms, Studio, close, merge, pull, push, take_in
from dagster_project.vendors.label_interface import labelling_interface
from tests.end_to_end.test_ui import CHROMIUM, QUIET

Tasks = list[dict[str, Any]]
NAMES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
installed = pytest.mark.skipif(
    not LABEL_STUDIO.exists(), reason="Label Studio is not installed (`make label-studio` installs it)"
)
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Studio, Home]]:
    """One server for the module; the tests' own campaigns lie in homes of their own."""
    home = Home(tmp_path_factory.mktemp("label-studio") / "home")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with running(home, port) as studio:
        yield studio, home


@pytest.fixture
def studio(server: tuple[Studio, Home], config: Path, acme: str) -> Studio:
    path = config / "vendors.yaml"
    path.write_text(path.read_text().replace("acme: {", "acme: {format: label-studio, ", 1))
    return server[0]


@pytest.fixture
def rated(lake: Lake, settings: Settings, studio: Studio, first_round: Tasks) -> Iterator[Callable[..., int]]:
    """Bring the campaign's tasks to a project of their own, and rate one over the API."""
    push(lake, settings, studio, "first")
    project = studio.project("first")

    def rate(task: dict[str, Any], annotation: int | None = None, **answers: Any) -> int:
        number = next(one["id"] for one in studio.tasks(project) if one["data"]["task_id"] == task["task_id"])
        answers = {**{f"{name}_{position}": "3" for name in NAMES for position in (1, 2)}, **answers}
        result = [
            {"from_name": name, "to_name": "response_1", "type": kind, "value": {kind: values}}
            for name, given in answers.items()
            for kind in ["text" if name == "justification" else "choices"]
            for values in [given if isinstance(given, list) else [given]]
        ]
        content = {"result": [one | {"type": one["type"].replace("text", "textarea")} for one in result]}
        method, path = (
            ("PATCH", f"/api/annotations/{annotation}/")
            if annotation
            else ("POST", f"/api/tasks/{number}/annotations/")
        )
        return int(studio.call(method, path, content | {"lead_time": 12.5})["id"])

    yield rate
    studio.call("PATCH", f"/api/projects/{project}/", {"description": "of a test that is over"})


@installed
@pytest.mark.slow
def test_annotations_come_in_as_they_are_made_and_changed(
    lake: Lake, settings: Settings, studio: Studio, first_round: Tasks, rated: Callable[..., int]
) -> None:
    assert push(lake, settings, studio, "first") == 0
    assert pull(settings, studio, "first") is None
    first = rated(first_round[0], preference="-2", justification="The first is right.", helpfulness_2="0")
    assert pull(settings, studio, "first") is not None
    (report,) = take_in(lake, settings, "acme")
    assert (report.accepted, report.quarantined) == (2, 0)
    rows = lake.read("deliveries").sort("row_number").to_dicts()
    assert [row["scores"] for row in rows] == [[3] * 5, [0, 3, 3, 3, 3]]
    assert [row["response_id"] for row in rows] == [one["response_id"] for one in first_round[0]["responses"]]
    assert {(row["preference"], row["justification"], row["seconds"]) for row in rows} == {
        (-2, "The first is right.", 12.5)
    }
    assert {row["annotator"] for row in rows} == {Pseudonyms.of_vendor(settings, "acme").pseudonym("1")}
    assert {row["guideline_version"] for row in rows} == {"2.0"}

    assert pull(settings, studio, "first") is None
    rated(first_round[0], annotation=first, preference="3", justification="On second thoughts.")
    rated(first_round[1], flags_1=["needs_code"], **{f"{name}_1": [] for name in NAMES})
    path = pull(settings, studio, "first")
    assert path is not None
    assert len(path.read_text().splitlines()) == 2
    take_in(lake, settings, "acme")
    assert merge(lake, "first") == Merged(used=4, superseded=2)
    used = {(row["task_id"], row["position"]): row for row in lake.read("annotations").to_dicts()}
    assert used[first_round[0]["task_id"], 1]["preference"] == 3
    assert used[first_round[1]["task_id"], 1]["flags"] == ["needs_code"]
    assert used[first_round[1]["task_id"], 1]["scores"] == [None] * 5


@installed
@pytest.mark.slow
def test_a_sensor_pulls_some_at_a_time_until_nothing_is_new(
    lake: Lake,
    config: Path,
    home: Home,
    settings: Settings,
    studio: Studio,
    first_round: Tasks,
    rated: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = config / "vendors.yaml"
    path.write_text(path.read_text().replace("acme: {", f"acme: {{server: {{url: '{studio.url}/'}}, ", 1))
    automation = config / "automation.yaml"
    automation.write_text(automation.read_text().replace("label_studio_tasks: 500", "label_studio_tasks: 2"))
    monkeypatch.setenv("LABEL_STUDIO_TOKEN", studio.token)
    numbers = [rated(task) for task in first_round[:5]]
    (config / "campaigns.yaml").write_text(_without(config / "campaigns.yaml", "second"))
    settings = Settings(config, home)
    sensor = next(one for one in build_sensors(settings) if one.name == "label_studio")

    def ticks() -> list[int]:
        """Tick until nothing comes, and return how many annotations each tick brought."""
        brought = []
        while "of 1 campaigns" in str(sensor()):
            brought += [report.accepted for report in take_in(lake, settings, "acme")]
        return brought

    assert ticks() == [4, 4, 2]
    assert ticks() == []
    rated(first_round[1], annotation=numbers[1], preference="3")
    rated(first_round[7])
    assert ticks() == [4]
    assert merge(lake, "first") == Merged(used=12, superseded=2)
    close(lake, settings, "first")
    rated(first_round[8])
    assert ticks() == []


@installed
@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
def test_a_task_rated_by_hand_in_a_browser_arrives(
    lake: Lake,
    settings: Settings,
    server: tuple[Studio, Home],
    studio: Studio,
    first_round: Tasks,
    rated: Callable[..., int],
    tmp_path: Path,
) -> None:
    from playwright.sync_api import expect, sync_playwright

    project = studio.project("first")
    task = next(iter(studio.tasks(project)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.goto(f"{studio.url}/user/login/")
        page.fill('input[name="email"]', USER)
        page.fill('input[name="password"]', _secret(server[1], "password"))
        page.click('button[type="submit"]')
        page.goto(f"{studio.url}/projects/{project}/data?task={task['id']}")
        expect(page.get_by_text(task["data"]["response_1"][:40]).first).to_be_visible(timeout=60_000)
        expect(page.get_by_text(task["data"]["response_2"][:40]).first).to_be_visible()
        page.screenshot(path=tmp_path / "task.png")
        for number in (0, 1):
            for text in ("4: Does everything that was wanted", "2: Partly right; some mistakes"):
                page.get_by_text(text, exact=False).nth(number).click()
        page.get_by_text("The second is better", exact=True).click()
        page.get_by_role("button", name="Submit", exact=False).first.click()
        page.wait_for_timeout(3000)
        page.screenshot(path=tmp_path / "submitted.png")
        browser.close()
    assert pull(settings, studio, "first") is not None
    take_in(lake, settings, "acme")
    assert merge(lake, "first") == Merged(used=2)
    for row in lake.read("annotations").to_dicts():
        assert (row["task_id"], row["scores"], row["preference"]) == (
            task["data"]["task_id"],
            [4, 2, None, None, None],
            2,
        )


def _without(path: Path, campaign: str) -> str:
    campaigns = yaml.safe_load(path.read_text())
    del campaigns["campaigns"][campaign]
    return yaml.safe_dump(campaigns)


def test_a_server_that_is_not_there_is_said_so(settings: Settings, acme: str) -> None:
    with pytest.raises(SteerworksError, match="does not answer"):
        Studio("http://127.0.0.1:9", "token").project("first")


def test_the_interface_asks_for_all_of_the_rubric_and_escapes_its_texts(settings: Settings, acme: str) -> None:
    rubric = settings.rubric_of("first").model_copy(update={"preference": True})
    interface = labelling_interface(rubric, 2)
    for name in rubric.names:
        assert all(f'name="{name}_{position}"' in interface for position in (1, 2))
    assert '<Choice alias="-3" value="The first is much better" />' in interface
    assert "preference" not in labelling_interface(rubric, 1)
    assert "<script" not in interface


def test_a_server_is_of_vendors_of_its_format_and_needs_a_token(
    config: Path, home: Home, acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = config / "vendors.yaml"
    told = path.read_text().replace("acme: {", "acme: {server: {url: 'http://127.0.0.1:9'}, ", 1)
    path.write_text(told)
    with pytest.raises(SteerworksError, match="a `server` goes with the format `label-studio`"):
        _ = Settings(config, home).vendors
    path.write_text(told.replace("acme: {", "acme: {format: label-studio, ", 1))
    monkeypatch.delenv("LABEL_STUDIO_TOKEN", raising=False)
    sensor = next(one for one in build_sensors(Settings(config, home)) if one.name == "label_studio")
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED
    with pytest.raises(SteerworksError, match="export it as LABEL_STUDIO_TOKEN"):
        sensor()
    monkeypatch.setenv("LABEL_STUDIO_TOKEN", "secret of the server")
    with pytest.raises(SteerworksError, match="does not answer") as error:
        sensor()
    assert "secret of the server" not in str(error.value)
