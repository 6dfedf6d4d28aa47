"""`steerworks annotate`: annotate with Label Studio, on this machine or on the server that vendors.yaml names."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from dagster_project.cli.terminal import open_console
from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.settings import PROJECT_ROOT, Home, Settings
from dagster_project.vendors import Studio, pull, push
from dagster_project.vendors.vault import open_vault, private_folder
from dagster_project.whole_files import PRIVATE, write_whole

app = typer.Typer(help="Annotate with Label Studio on this machine.", no_args_is_help=True)
LABEL_STUDIO = PROJECT_ROOT / ".label-studio" / "bin" / "label-studio"
USER = "admin@localhost.local"
HOST = "127.0.0.1"
START_SECONDS = 300
Campaign = Annotated[str, typer.Argument(help="slug in config/campaigns.yaml")]
Port = Annotated[int, typer.Option(help="port on loopback, where the vendor has no `server`")]


@app.command("serve")
def serve(
    campaign: Campaign, port: Port = 8080, seconds: Annotated[int, typer.Option(help="between two pulls")] = 30
) -> None:
    """Start Label Studio, bring the campaign's tasks to it, and pull annotations until Ctrl-C."""
    settings, console = Settings.from_environment(), open_console()
    settings.campaign(campaign)
    console.print("Label Studio starts; the first time that takes some minutes.")
    with running(settings.home, port) as studio:
        new = push(Lake(settings.home.lake), settings, studio, campaign)
        console.print(
            f"{studio.url} has the tasks of `{campaign}`, {new} of them new. Log in as {USER}; the password is in "
            f"{_secret_path(settings.home, 'password')}. Ctrl-C stops it.",
            soft_wrap=True,
        )
        try:
            while True:
                if path := pull(settings, studio, campaign):
                    console.print(f"pulled: {path}", soft_wrap=True)
                time.sleep(seconds)
        except KeyboardInterrupt:
            console.print("Stopped. What was annotated is kept.")


@app.command("push")
def push_tasks(campaign: Campaign, port: Port = 8080) -> None:
    """Bring the campaign's exported rounds to a Label Studio that runs."""
    settings = Settings.from_environment()
    new = push(Lake(settings.home.lake), settings, _studio_of(settings, campaign, port), campaign)
    open_console().print(f"{new} tasks are new in Label Studio.")


@app.command("pull")
def pull_annotations(campaign: Campaign, port: Port = 8080) -> None:
    """Put into the inbox what was annotated or changed since the last time."""
    settings = Settings.from_environment()
    path = pull(settings, _studio_of(settings, campaign, port), campaign)
    open_console().print(f"pulled: {path}" if path else "Nothing new was annotated.", soft_wrap=True)


@contextmanager
def running(home: Home, port: int, program: Path = LABEL_STUDIO) -> Iterator[Studio]:
    """Run Label Studio on loopback while the block lasts; its data, which names people, lie in the vault.

    Raises:
        SteerworksError: it is not installed, or does not come up.
    """
    if not program.exists():
        raise SteerworksError(
            "Label Studio is not installed. `make annotate` installs it in an environment of its own."
        )
    studio, data = _studio(home, port), private_folder(open_vault(home), "label-studio", "data")
    arguments = ["start", "--no-browser", "--internal-host", HOST, "--port", str(port), "--enable-legacy-api-token"]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("STEERWORKS_")},
        "LABEL_STUDIO_BASE_DATA_DIR": str(data),
        "LABEL_STUDIO_USERNAME": USER,
        "LABEL_STUDIO_PASSWORD": _secret(home, "password"),
        "LABEL_STUDIO_USER_TOKEN": studio.token,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
    }
    with (data / "server.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - fixed program, no shell
            [program, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_until_up(studio, process, data / "server.log")
        yield studio
    finally:
        _stop(process)


def _studio_of(settings: Settings, campaign: str, port: int) -> Studio:
    """Return the server of the campaign's vendor, or the one on this machine."""
    server = settings.vendor_of(campaign).server
    return Studio(server.url, server.token()) if server else _studio(settings.home, port)


def _studio(home: Home, port: int) -> Studio:
    return Studio(f"http://{HOST}:{port}", _secret(home, "token"))


def _secret_path(home: Home, name: str) -> Path:
    return private_folder(open_vault(home), "label-studio") / name


def _secret(home: Home, name: str) -> str:
    """Return a secret of this installation, made when first asked for."""
    path = _secret_path(home, name)
    if not path.exists():
        write_whole(path, secrets.token_hex(20).encode(), PRIVATE)
    return path.read_text()


def _wait_until_up(studio: Studio, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{studio.url}/health", timeout=5)  # noqa: S310 - loopback
        except OSError:
            time.sleep(1)
        else:
            return
    raise SteerworksError(f"Label Studio did not come up; {log} says why. Is the port in use?")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
