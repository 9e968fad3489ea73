"""A laboratory's whole installation for tests: an archive, a home folder, and the installed command.

Everything is real: the archive is a process, every command is a process, jobs run on the local cluster.
Only the pipelines are trivial (`support.trivial_processors`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, unquote

import yaml

from cci.cluster.base import JobRef
from cci.cluster.local import LocalCluster
from cci.daemon.ledger import Attempt, Ledger, open_ledger
from support.archive import RunningArchive
from support.fill import Fill
from support.rest import Rest
from support.waiting import PATIENCE_S

PROCESSORS = Path(__file__).with_name("trivial_processors.py")
CCI = Path(sys.executable).with_name("cci")
_HIDDEN = frozenset({"CCI_SETTINGS", "NETRC", "CREDENTIALS_DIRECTORY"})

Row = dict[str, Any]
Completed = subprocess.CompletedProcess[str]


class Lab:
    """One home folder with settings and login for one project of a running archive.

    Parameters
    ----------
    home
        Folder for settings, ledger, spool and work directory; made if missing.
    archive
        The archive; several labs may share one.
    project
        The project that the settings list; made if missing.
    processors
        What runs there: a short name for each class of `support.trivial_processors`.
    """

    def __init__(
        self,
        home: Path,
        archive: RunningArchive,
        project: str,
        *,
        processors: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home
        self.archive = archive
        self.project = project
        self.fill = Fill(archive.url, archive.auth)
        self.rest = Rest(archive.url, archive.auth)
        self.started: list[subprocess.Popen[str]] = []
        #: What commands find in their environment: no setting of the person who runs the tests.
        self.environment = {name: value for name, value in os.environ.items() if name not in _HIDDEN}
        home.mkdir(parents=True, exist_ok=True)
        self.fill.project(project)
        self.write_settings(processors or {"copy": "CopyProcessor"})

    # -- settings ------------------------------------------------------------------------------

    @property
    def settings_file(self) -> Path:
        """The settings."""
        return self.home / "settings.yaml"

    def write_settings(self, processors: Mapping[str, str]) -> None:
        """Write settings with these processors and short waits, and the login."""
        login = self.home / "credentials.yaml"
        login.touch(mode=0o600)
        login.write_text(yaml.safe_dump({"user": self.archive.user, "password": self.archive.password}))
        self.uses = {name: f"{PROCESSORS}:{use}" for name, use in processors.items()}
        content = {
            "archive": {
                "url": self.archive.url,
                "credentials": str(login),
                "read_s": 5,
                "first_byte_s": 5,
                "total_s": 20,
                "attempts": 2,
            },
            "clusters": {"local": {"slots": 4, "memory_mb": 1000}},
            "processors": {name: {"use": use} for name, use in self.uses.items()},
            "projects": {self.project: list(processors)},
            "limits": {"min_free_mb": 0},
            "timing": {
                "sweep": "1s",
                "watch_s": 0.3,
                "collect_s": 0.3,
                "outbox_s": 0.3,
                "retry_s": 0.3,
                "exit_grace_s": 1,
            },
        }
        self.settings_file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def change_settings(self, **sections: Mapping[str, Any] | str) -> None:
        """Lay values over sections of the settings."""
        content = yaml.safe_load(self.settings_file.read_text(encoding="utf-8"))
        for name, values in sections.items():
            content[name] = values if isinstance(values, str) else {**content.get(name, {}), **values}
        self.settings_file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    # -- the archive ---------------------------------------------------------------------------

    def scan(
        self,
        session: str,
        scan: str = "1",
        *,
        subject: str = "S1",
        scan_type: str = "T1",
        behave: str = "",
        files: Mapping[str, bytes] | None = None,
    ) -> str:
        """Make a session with one scan that has the resource DATA; return the scan's URI.

        *behave* is what the spider is told; see `support.trivial_spider`.
        """
        uri = self.fill.session(self.project, subject, session)
        place = self.fill.scan(uri, scan, type=scan_type, quality="usable")
        content = dict(files or {"image.dat": f"image of {session}".encode()})
        if behave:
            content["behave"] = behave.encode()
        self.fill.files(place, "DATA", content)
        return place

    def sessions(self, number: int, **options: Any) -> None:
        """Make sessions E1, E2, …, each with one scan."""
        for index in range(1, number + 1):
            self.scan(f"E{index}", **options)

    def assessor_uri(self, task: Row) -> str:
        """Return the address of the assessor of a session's or scan's task."""
        names = (self.project, task["subject"], task["session"], task["label"])
        project, subject, session, label = (quote(name, safe="") for name in names)
        return f"/data/projects/{project}/subjects/{subject}/experiments/{session}/assessors/{label}"

    def fields(self, task: Row) -> dict[str, str]:
        """Return the fields of a task's assessor, by their names below its type."""
        answer = self.rest.get(self.assessor_uri(task), {"format": "json"})
        answer.raise_for_status()
        item = answer.json()["items"][0]
        inner = {
            f"{child['field']}/{name}": value
            for child in item["children"]
            for name, value in child["items"][0]["data_fields"].items()
        }
        return {**item["data_fields"], **inner}

    def set_qc(self, task: Row, value: str) -> None:
        """Set the QC status as a person would."""
        field = "proc:genProcData/validation/status"
        self.fill.put(self.assessor_uri(task), {"xsiType": "proc:genProcData", field: value})

    def files(self, task: Row, resource: str) -> dict[str, bytes]:
        """Return what a resource of the assessor holds, by path."""
        uri = f"{self.assessor_uri(task)}/out/resources/{resource}/files"
        listing = self.rest.get(uri, {"format": "json"})
        if listing.status_code == 404:
            return {}
        rows = listing.json()["ResultSet"]["Result"]
        paths = [unquote(row["URI"].partition("/files/")[2]) for row in rows]
        return {path: self.rest.get(f"{uri}/{quote(path)}").content for path in paths}

    def writes(self) -> list[Row]:
        """Return the archive's log of writes, of all projects."""
        return self.archive.write_log()

    # -- the command ---------------------------------------------------------------------------

    def cci(self, *arguments: str, check: bool = True, patience_s: float = PATIENCE_S) -> Completed:
        """Run the installed command to its end."""
        command = [str(CCI), "--home", str(self.home), *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=patience_s, check=False, env=self.environment
        )
        if check and done.returncode:
            raise AssertionError(f"{arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def answer(self, *arguments: str) -> Any:
        """Run the command with ``--json`` and return its answer."""
        return json.loads(self.cci(*arguments, "--json").stdout)

    def start(self, *arguments: str, log: str = "") -> subprocess.Popen[str]:
        """Start the command in the background; what it prints goes to the file *log* in the home."""
        command = [str(CCI), "--home", str(self.home), *arguments]
        with (self.home / (log or "output.txt")).open("a", encoding="utf-8") as stream:
            process = subprocess.Popen(
                command, stdout=stream, stderr=subprocess.STDOUT, text=True, env=self.environment
            )
        self.started.append(process)
        return process

    def run_daemon(self) -> subprocess.Popen[str]:
        """Start the daemon as its unit does; see `daemon_lines`."""
        return self.start("--log-level", "info", "--log-json", "run", "--yes", log="daemon.txt")

    def daemon_lines(self) -> list[Row]:
        """Return what daemons have said so far, without a line that is being written."""
        text = (self.home / "daemon.txt").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def sweep(self, *arguments: str) -> None:
        """Sweep until nothing moves; agree to a first contact."""
        self.cci("sweep", "--wait", "--yes", *arguments)

    # -- the ledger ----------------------------------------------------------------------------

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """Open the ledger here: faster than a command, where a test only wants to know."""
        ledger = open_ledger(f"sqlite:///{self.home / 'ledger.db'}", who="test")
        try:
            yield ledger
        finally:
            ledger.close()

    def tasks(self) -> list[Row]:
        """Return every task with the keys that ``cci tasks --json`` has."""
        with self.ledger() as ledger:
            found = ledger.tasks(self.archive.url)
        own = ("label", "project", "subject", "session", "processor", "reason", "attempts")
        return [
            {
                **{name: getattr(task, name) for name in own},
                "scan": task.key.scan_id,
                "status": str(task.status),
            }
            for task in found
        ]

    def attempts_of(self, task: Row) -> list[Attempt]:
        """Return the attempts of a task, oldest first."""
        with self.ledger() as ledger:
            return ledger.attempts(ledger.named(self.archive.url, task["label"])[0].id)

    def passed(self, task: Row) -> list[str]:
        """Return the statuses that a task has had, in their order, each once in a row."""
        with self.ledger() as ledger:
            changes = ledger.history(ledger.named(self.archive.url, task["label"])[0].id)
        statuses = [change.after for change in changes]
        return [one for one, before in zip(statuses, ["", *statuses], strict=False) if one != before]

    def task(self, session: str = "E1", processor: str = "copy") -> Row:
        """Return the one task of a processor on a session."""
        found = [row for row in self.tasks() if (row["session"], row["processor"]) == (session, processor)]
        assert len(found) == 1, found
        return found[0]

    def statuses(self) -> dict[str, str]:
        """Return the status of each task, by ``session/scan processor`` without empty parts."""
        rows = self.tasks()
        return {
            f"{'/'.join(filter(None, (row['session'], row['scan'])))} {row['processor']}".strip(): row[
                "status"
            ]
            for row in rows
        }

    # -- the job directories -------------------------------------------------------------------

    def attempts(self) -> list[Path]:
        """Return every job directory."""
        return sorted(path.parent for path in (self.home / "work").glob("*/*/*/script.sh"))

    @staticmethod
    def end_of(directory: Path) -> Row:
        """Return the exit record in a job directory."""
        return dict(json.loads((directory / "exit.json").read_text(encoding="utf-8")))

    def ended_jobs(self) -> list[str]:
        """Return the ids of the jobs that the local cluster has seen to their end."""
        return sorted(path.name for path in (self.home / "spool" / "ended").glob("*"))

    def close(self) -> None:
        """End the processes that the test has left."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.kill_jobs()
        self.fill.http.close()
        self.rest.http.close()

    def kill_jobs(self) -> None:
        """Kill every job, as the cluster's administrator could."""
        cluster = LocalCluster("local", self.home / "spool", slots=4, memory_mb=1000)
        for name in ("queue", "running"):
            for folder in (self.home / "spool" / name).glob("*"):
                cluster.kill(JobRef(folder.name))


class MakeLab(Protocol):
    """The fixture that makes labs."""

    def __call__(
        self, name: str = "home", *, project: str = "", processors: Mapping[str, str] | None = None
    ) -> Lab:
        """Make a lab with a home and, if none is named, a project of its own."""
