"""The demo: an archive of its own, filled over REST with data of known truth, swept until nothing moves.

Everything lies below one folder, and the demo can be run again there. The pipelines, the archive and the
cluster are the real ones; the heads are phantoms, and FreeSurfer is left unconfigured on purpose.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import yaml

from cci.daemon.demo_data import PROJECTS, SCANS, DemoScan
from cci.daemon.ledger import TaskEntry
from cci.errors import CciError
from cci.xnat import Archive, uris

START_S = 60.0
USER = "admin"
#: Where the demo suggests to serve its archive to a browser.
LOOK_PORT = 8080


class DemoFailed(CciError):
    """The demo could not be set up."""

    code = "E-DEMO"


@dataclass(frozen=True, kw_only=True)
class DemoHome:
    """Where the demo keeps what."""

    path: Path

    @property
    def archive(self) -> Path:
        """The embedded archive's files."""
        return self.path / "archive"

    @property
    def settings(self) -> Path:
        """The settings file, made at the first run."""
        return self.path / "settings.yaml"

    @property
    def credentials(self) -> Path:
        """The login of the embedded archive."""
        return self.path / "credentials.yaml"


@contextmanager
def serving(home: DemoHome, port: int) -> Iterator[str]:
    """Run the embedded archive while inside; yields its address.

    Raises
    ------
    DemoFailed
        If it does not come up.
    """
    home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "cci.archive", "serve", "--root", str(home.archive), "--port", str(port)]
    with (home.path / "archive.log").open("ab") as log:
        # a session of its own: Ctrl-C at the terminal stops the demo first, and the archive by the demo
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_for(url, process, home)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(url: str, process: subprocess.Popen[bytes], home: DemoHome) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urlopen(f"{url}/xapi/siteConfig/buildInfo", timeout=5):  # noqa: S310 (an address of our own)
                return
        except HTTPError:
            return
        except (URLError, OSError):
            time.sleep(0.1)
    raise DemoFailed(
        "the embedded archive did not start", hint=f"its words are in {home.path / 'archive.log'}"
    )


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def port_of(home: DemoHome) -> int:
    """Return the port that this home used before (the address is part of every task), else a free one."""
    try:
        address = str(yaml.safe_load(home.settings.read_text(encoding="utf-8"))["archive"]["url"])
        return int(address.rpartition(":")[2])
    except (OSError, KeyError, TypeError, ValueError, yaml.YAMLError):
        return free_port()


def write_settings(home: DemoHome, url: str) -> None:
    """Write the settings and the login of the demo; an edited settings file is left alone."""
    password = (home.archive / "admin.password").read_text(encoding="utf-8").strip()
    home.credentials.touch(mode=0o600)
    home.credentials.write_text(yaml.safe_dump({"user": USER, "password": password}), encoding="utf-8")
    if home.settings.exists():
        return
    content = {
        "archive": {"url": url, "credentials": str(home.credentials)},
        "clusters": {"local": {"kind": "local"}},
        "projects": dict(PROJECTS),
        "timing": {"retry_s": 5.0, "exit_grace_s": 10.0},
    }
    home.settings.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def fill(archive: Archive, progress: Callable[[str, int, int], None]) -> None:
    """Bring the demo's scans into the archive, as a scanner's gateway would; what is there stays."""
    for project in PROJECTS:
        archive.put_item(uris.project(project), "xnat:projectData", {"name": f"cci demo {project}"})
    places = {scan: _enter(archive, scan) for scan in SCANS}
    wanted = [scan for scan, uri in places.items() if not archive.list_resources(uri)]
    progress("making images", 0, len(wanted))
    with tempfile.TemporaryDirectory(prefix="cci-demo-") as top, _makers(len(wanted)) as pool:
        made = {
            pool.submit(scan.make, _folder(top, number)): (scan, number) for number, scan in enumerate(wanted)
        }
        for done, future in enumerate(as_completed(made), 1):
            future.result()
            scan, number = made[future]
            for resource in sorted(_folder(top, number).iterdir()):
                archive.upload(places[scan], resource.name, resource)
            progress("loading images", done, len(wanted))


def _makers(wanted: int) -> ProcessPoolExecutor:
    """Return as many processes as are worth it; spawned, since this one has threads."""
    workers = max(1, min(wanted, len(os.sched_getaffinity(0)), 8))
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


def _folder(top: str, number: int) -> Path:
    folder = Path(top) / str(number)
    folder.mkdir(exist_ok=True)
    return folder


def _enter(archive: Archive, scan: DemoScan) -> str:
    """Make the scan's subject, session and scan, as far as they are missing; return the scan's address."""
    archive.put_item(uris.subject(scan.project, scan.subject), "xnat:subjectData")
    session = uris.session_in(scan.project, scan.subject, scan.session)
    session_id = archive.put_item(session, "xnat:mrSessionData", {"date": "2024-05-17"})
    uri = uris.scan(uris.session(session_id), scan.id)
    fields = {"type": scan.type, "quality": scan.quality, "series_description": scan.type}
    archive.put_item(uri, "xnat:mrScanData", fields)
    return uri


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A task of the demo beside how it should have ended."""

    name: str
    wanted: str
    got: str
    good: bool


def judge(tasks: list[TaskEntry]) -> list[Judged]:
    """Compare every task with how its data deserve to end; a task too many or too few is wrong as well."""
    by_place = {(task.project, task.session, task.key.scan_id, task.processor): task for task in tasks}
    judged = []
    for scan in SCANS:
        for processor, end in scan.ends.items():
            place = (scan.project, scan.session, "" if processor == "freesurfer" else scan.id, processor)
            task = by_place.pop(place, None)
            got = f"{task.status} {task.reason}" if task else "no task"
            good = task is not None and task.status is end.status and end.words in task.reason
            wanted = f"{end.status} {end.words}".strip()
            judged.append(Judged(name=" ".join(filter(None, place)), wanted=wanted, got=got, good=good))
    for place, task in by_place.items():
        name = " ".join(filter(None, place))
        judged.append(Judged(name=name, wanted="no task", got=str(task.status), good=False))
    return judged


def _near(path: Path) -> Path:
    """Return the short name of a path where it has one: below the folder that one is in."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def how_to_open(home: DemoHome, url: str) -> str:
    """Say how the demo's archive is seen in a browser while it runs."""
    password = _near(home.archive / "admin.password")
    return f"open {url}/ in a browser and log in as {USER}; the password is in {password}"


def how_to_look(home: DemoHome) -> str:
    """Say how the demo's results are seen in a browser once its archive has stopped."""
    root = shlex.quote(str(_near(home.archive)))
    command = f"{shlex.quote(sys.argv[0])} archive serve --root {root} --port {LOOK_PORT}"
    where = how_to_open(home, f"http://127.0.0.1:{LOOK_PORT}")
    return f"\nto look at all of it, serve its archive again:\n  {command}\nthen {where}"


def reports(
    archive: Archive, tasks: list[TaskEntry], place: Callable[[TaskEntry], str], home: DemoHome
) -> dict[str, Path]:
    """Fetch the PDF report of every task that has one; return where each lies, by label."""
    found: dict[str, Path] = {}
    for task in tasks:
        uri = place(task)
        listed = archive.list_files(uri, ["PDF"]) if task.assessor_id else {}
        if not listed.get("PDF"):
            continue
        folder = home.path / "reports" / task.label
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        paths = archive.download(uri, ["PDF"], folder, listed)
        found[task.label] = paths[0]
    return found
