"""The workplace: archive, ledger, clusters, processors and settings as one object, put together.

This is the composition root: everything that the steps of the daemon work with is made here, once.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Self

from cci.cluster import open_cluster
from cci.cluster.base import Cluster
from cci.credentials import read_credentials
from cci.daemon import holder
from cci.daemon.alerts import Alerts
from cci.daemon.ledger import Ledger, open_ledger
from cci.daemon.loading import load_processors
from cci.daemon.plan import Configured
from cci.daemon.polling import Polling
from cci.errors import SettingsError
from cci.settings import Problem, Settings
from cci.xnat import Archive, Deadlines, open_archive

if TYPE_CHECKING:
    from cci.daemon.starting import Ready
    from cci.daemon.sweep_memory import Remembered

RENEW_S = 60.0


@dataclass
class Workplace:
    """What all steps work with. Close it when done; jobs go on without it."""

    settings: Settings
    archive: Archive
    ledger: Ledger
    clusters: Mapping[str, Cluster]
    processors: Mapping[str, Configured]
    problems: tuple[Problem, ...] = ()
    #: Set when everything should come to an end soon; asked between items and while waiting.
    stopping: threading.Event = field(default_factory=threading.Event)
    #: Until when each project is known to be ours, on the monotonic clock; see `cci.daemon.ownership`.
    owned_until: dict[str, float] = field(default_factory=dict)
    #: What the operator has been told that lasts.
    alerts: Alerts = field(default_factory=Alerts)
    #: When each cluster was asked for its jobs, and when it is to be asked again.
    polling: Polling = field(default_factory=Polling)
    #: Tasks that the last sweep left waiting for a place, with their orders; see `cci.daemon.starting`.
    ready: Sequence[Ready] = ()
    #: Projects that were found to belong to another instance.
    foreign: set[str] = field(default_factory=set)
    #: What the daemon remembers of each project; see `cci.daemon.sweep_memory`.
    remembered: dict[str, Remembered] = field(default_factory=dict)
    _renewal: threading.Thread | None = None
    _closed: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """The archive's address: part of every task's identity."""
        return self.settings.archive.url

    def for_project(self, project: str) -> list[Configured]:
        """Return the working processors of a project, in the order of the settings."""
        names = self.settings.projects[project].processors if project in self.settings.projects else []
        return [self.processors[name] for name in names if name in self.processors]

    def later(self, tries: int) -> datetime:
        """Return when to try again after *tries* failures: doubling, at most an hour."""
        seconds = min(self.settings.timing.retry_s * 2 ** min(tries, 10), 3600)
        return datetime.now(UTC) + timedelta(seconds=seconds)

    def start_renewal(self) -> None:
        """Keep this process's leases alive in the background until `close`."""
        self._renewal = threading.Thread(target=self._renew, name="lease-renewal", daemon=True)
        self._renewal.start()

    def _renew(self) -> None:
        while not self._closed.wait(RENEW_S):
            with suppress(Exception):
                self.ledger.renew(holder.at_work())

    def close(self) -> None:
        """Give everything back; safe to call twice."""
        self._closed.set()
        self.archive.close()
        for cluster in self.clusters.values():
            cluster.close()
        self.ledger.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


def open_workplace(settings: Settings, *, who: str = "cci") -> Workplace:
    """Put a workplace together. No request is sent to the archive yet.

    Raises
    ------
    SettingsError
        If the login, the ledger or every cluster is unusable.
    """
    login = read_credentials(settings.archive)
    make_folder(settings.home, "home")
    make_folder(settings.work_dir, "work_dir")
    ledger = open_ledger(settings.ledger, who=who)
    stopping = threading.Event()
    archive = open_archive(
        settings.archive.url,
        login.user,
        login.password.get_secret_value(),
        deadlines=Deadlines(
            connect_s=settings.archive.connect_s,
            read_s=settings.archive.read_s,
            first_byte_s=settings.archive.first_byte_s,
            total_s=settings.archive.total_s,
        ),
        attempts=settings.archive.attempts,
        max_concurrent=settings.archive.max_concurrent,
        should_stop=stopping.is_set,
    )
    clusters = {name: configured_cluster(settings, name) for name in settings.clusters}
    processors, problems = load_processors(settings)
    workplace = Workplace(
        settings=settings,
        archive=archive,
        ledger=ledger,
        clusters=clusters,
        processors=processors,
        problems=(*settings.problems, *problems),
        stopping=stopping,
    )
    workplace.start_renewal()
    return workplace


def make_folder(path: Path, setting: str) -> None:
    """Make a private folder that a setting names.

    Raises
    ------
    SettingsError
        If it cannot be made, or this user may not write into it.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        _refuse(path, setting, error.strerror or str(error))
    if not os.access(path, os.W_OK | os.X_OK):
        _refuse(path, setting, "this user may not write there")


def _refuse(path: Path, setting: str, why: str) -> NoReturn:
    hint = f"let '{setting}' name a folder of the user that runs cci, or make it and give it to that user"
    raise SettingsError(f"cannot use the folder {path} ({setting}): {why}", hint=hint)


def configured_cluster(settings: Settings, name: str) -> Cluster:
    """Open the cluster that a section of the settings describes."""
    section = settings.clusters[name]
    return open_cluster(name, {**section.model_dump(exclude=_NOT_THE_BACK_ENDS), "spool": settings.spool})


#: What a cluster's section says that is no business of its back-end.
_NOT_THE_BACK_ENDS = {"python", "runner_python", "max_running", "max_pending"}


def node_python(settings: Settings, cluster: str) -> tuple[str, str]:
    """Return the interpreters on a cluster's nodes: for spiders, and for the job runner."""
    section = settings.clusters[cluster]
    python = section.python or sys.executable
    return python, section.runner_python or python
