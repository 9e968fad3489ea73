"""Look whether everything that cci needs is there and works."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from cci.credentials import read_credentials
from cci.daemon.doctor_clusters import PATIENCE_S, examine_cluster
from cci.daemon.findings import Finding
from cci.daemon.ledger import open_ledger
from cci.daemon.ledger.engine import file_system_of
from cci.daemon.loading import load_processors
from cci.daemon.plan import Configured
from cci.daemon.scheduler import make_trigger
from cci.daemon.workplace import make_folder, open_workplace
from cci.errors import CciError
from cci.settings import Settings
from cci.xnat import Check


def examine(settings: Settings, *, patience_s: float | None = PATIENCE_S) -> Iterator[Finding]:
    """Yield a finding for each thing that cci needs; none raises, and one mistake is told of once.

    What is quick comes first; trial jobs come last.

    Parameters
    ----------
    patience_s
        How long the trial jobs of a cluster may take, in seconds; None for none.
    """
    told: set[str] = set()
    for finding in _everything(settings, patience_s):
        if finding.good is not False or finding.detail not in told:
            yield finding
        told.add(finding.detail)


def _everything(settings: Settings, patience_s: float | None) -> Iterator[Finding]:
    yield Finding(name="settings", good=True, detail=str(settings.file or "built-in"))
    for problem in settings.problems:
        yield Finding(name="settings", good=False, detail=str(problem))
    yield from _guarded("timing", lambda: _timing(settings))
    loaded, problems = load_processors(settings)
    for problem in problems:
        yield Finding(name="processors", good=False, detail=str(problem))
    yield from _guarded("processors", lambda: _processors(loaded))
    yield from _guarded("login", lambda: _login(settings))
    yield from _guarded("ledger", lambda: _ledger(settings))
    yield from _guarded("work directory", lambda: _work_dir(settings))
    yield from _guarded("archive", lambda: _archive(settings))
    for name in settings.clusters:
        look = partial(examine_cluster, settings, name, loaded, patience_s=patience_s)
        yield from _guarded(f"cluster {name}", look)


def _guarded(name: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Turn what a look raises into a finding."""
    try:
        yield from look()
    except CciError as error:
        yield Finding(name=name, good=False, detail=error.message, hint=error.hint)
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        hint = "give this user the right to it, or name another place in the settings"
        yield Finding(name=name, good=False, detail=what, hint=hint)


def _timing(settings: Settings) -> Iterator[Finding]:
    make_trigger(settings.timing.sweep)
    yield Finding(name="timing", good=True, detail=f"the daemon sweeps by '{settings.timing.sweep}'")


def _processors(loaded: Mapping[str, Configured]) -> Iterator[Finding]:
    for name, configured in loaded.items():
        reason = configured.processor.ready_here()
        yield Finding(
            name=f"processor {name}",
            good=None if reason else True,
            detail=reason or configured.processor.proctype,
        )


def _login(settings: Settings) -> Iterator[Finding]:
    login = read_credentials(settings.archive)
    yield Finding(
        name="login", good=True, detail=f"{login.user} at {settings.archive.url}, from {login.origin}"
    )


def _ledger(settings: Settings) -> Iterator[Finding]:
    make_folder(settings.home, "home")
    ledger = open_ledger(settings.ledger)
    instance = ledger.instance
    ledger.close()
    yield Finding(name="ledger", good=True, detail=f"{settings.ledger.split('@')[-1]}, instance {instance}")


def _work_dir(settings: Settings) -> Iterator[Finding]:
    path = settings.work_dir
    make_folder(path, "work_dir")
    probe = path / f".probe-{os.getpid()}"
    probe.write_text("probe", encoding="ascii")
    probe.unlink()
    free_mb = shutil.disk_usage(path).free // 2**20
    enough = free_mb > settings.limits.min_free_mb
    yield Finding(
        name="work directory",
        good=enough,
        detail=f"{path} ({file_system_of(path)}), {free_mb} MB free",
        hint="" if enough else "staging waits until there is more room",
    )
    mode = path.stat().st_mode & 0o077
    if mode:
        yield Finding(
            name="work directory", good=None, detail=f"{path} may be read by others", hint=f"chmod 700 {path}"
        )


def _archive(settings: Settings) -> Iterator[Finding]:
    with open_workplace(settings) as workplace:
        checks = workplace.archive.ping(list(settings.projects))
    yield from archive_findings(checks, list(settings.projects))


def archive_findings(checks: Sequence[Check], projects: Sequence[str]) -> Iterator[Finding]:
    """Say what was found in the archive; of a project without rights that alone, for the rest follows."""
    closed = [project for project in projects if _rights(checks, project) is False]
    for check in checks:
        project = next((one for one in projects if check.name.endswith(f" in {one}")), "")
        if project not in closed:
            yield Finding(name=f"archive: {check.name}", good=check.ok, detail=check.detail)
        elif check.name == f"rights in {project}":
            hint = f"mend its name, take it out of the settings, or ask to be made an owner of {project}"
            yield Finding(name=f"archive: project {project}", good=False, detail=check.detail, hint=hint)


def _rights(checks: Sequence[Check], project: str) -> bool | None:
    return next((check.ok for check in checks if check.name == f"rights in {project}"), None)
