"""Settings: one YAML file, read once into frozen values.

Only this module and `cci.credentials` read the environment.

A mistake in what everything needs (archive, ledger, limits) is a `SettingsError`. A mistake in the section
of one processor, project or cluster is a `Problem`: it stops that section and nothing else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator

from cci.errors import SettingsError, did_you_mean
from cci.mistakes import sentence
from cci.retries import Retries
from cci.settings_clusters import (
    ClusterSettings,
    CommandClusterSettings,
    DrmaaClusterSettings,
    LocalClusterSettings,
    Positive,
    Section,
    cluster_model,
)

__all__ = [
    "BUILT_IN",
    "INTERVAL",
    "SEARCH",
    "ArchiveSettings",
    "ClusterSettings",
    "CommandClusterSettings",
    "DrmaaClusterSettings",
    "Limits",
    "LocalClusterSettings",
    "Problem",
    "ProcessorSettings",
    "ProjectSettings",
    "Retries",
    "Settings",
    "Timing",
    "build",
    "find_file",
    "load",
]

#: Where a settings file is looked for when none is named; the first that exists is used.
SEARCH = ("~/.config/cci/settings.yaml", "/etc/cci/settings.yaml")
#: The processors that come with cci, by the name that a project lists.
BUILT_IN = {
    "dcm2nii": "cci.processors.dcm2nii:Dcm2NiiProcessor",
    "dti_qa": "cci.processors.dti_qa:DtiQaProcessor",
    "fmri_qa": "cci.processors.fmri_qa:FmriQaProcessor",
    "freesurfer": "cci.processors.freesurfer:FreesurferProcessor",
}

#: An interval such as ``10m``; what else a schedule may be is a cron expression.
INTERVAL = re.compile(r"(\d+)\s*([smhd])\Z")
_CRON = re.compile(r"[A-Za-z0-9*/,?#-]+(\s+[A-Za-z0-9*/,?#-]+){4}\Z")


class ArchiveSettings(Section):
    """The XNAT archive, and how patiently it is asked."""

    url: str = Field(description="Address of the archive, with its context path if it has one.")
    credentials: Path | None = Field(
        default=None,
        description="File of mode 0600 with user and password (YAML, or a pyxnat configuration). "
        "Without it: systemd credentials 'xnat-user' and 'xnat-password', then ~/.netrc.",
    )
    connect_s: float = Field(default=10, gt=0, description="Longest wait for a connection, in seconds.")
    read_s: float = Field(default=60, gt=0, description="Longest silence within an answer, in seconds.")
    first_byte_s: float = Field(
        default=600,
        gt=0,
        description="Longest wait for the first byte of a bulk listing or upload, in seconds.",
    )
    total_s: float = Field(default=3600, gt=0, description="Longest time for one whole answer, in seconds.")
    attempts: Positive = Field(default=4, description="How often a request is tried before work is put off.")
    max_concurrent: Positive = Field(default=4, description="Most requests at the same time.")

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        address = urlsplit(value)
        if address.scheme not in {"http", "https"}:
            raise ValueError("must begin with http:// or https://")
        if "@" in address.netloc:
            raise ValueError("must not hold a user or password; they belong into archive.credentials")
        return value.rstrip("/")


#: A text, or one for each cluster, by the cluster's name or its batch system.
Said = str | dict[str, str]


class ProcessorSettings(Section):
    """A processor and what a site changes of it."""

    use: str = Field(default="", description="'module:Class' or 'path/to/file.py:Class'.")
    cluster: str | list[str] = Field(
        default="", description="Name of the cluster, or a list of names; default: the first one."
    )
    walltime: timedelta | None = Field(default=None, description="Longest run time, 'HH:MM:SS' or seconds.")
    memory_mb: Positive | None = Field(default=None, description="Memory in MB.")
    cores: Positive | None = Field(default=None, description="Cores.")
    gpus: int | None = Field(default=None, ge=0, description="Graphics processors.")
    mpi_slots: int | None = Field(
        default=None, ge=0, description="Slots of a job over several nodes, each of 'cores'; 0: one node."
    )
    queue: Said = Field(default="", description="Queue or partition, in place of the cluster's.")
    account: Said = Field(default="", description="Account, in place of the cluster's.")
    native: Said = Field(
        default="", description="Further options in the batch system's words, laid over the cluster's."
    )
    priority: int | None = Field(default=None, description="Higher starts first.")
    max_running: Positive | None = Field(default=None, description="Most jobs of it open at once.")
    scan_types: dict[str, list[str]] = Field(
        default_factory=dict, description="Globs on the scan type, by the name of the input."
    )
    parameters: dict[str, Any] = Field(default_factory=dict, description="Handed to the spider.")

    @property
    def clusters(self) -> tuple[str, ...]:
        """The names of the clusters on which it may run; empty for the first one there is."""
        return tuple(filter(None, [self.cluster] if isinstance(self.cluster, str) else self.cluster))


class ProjectSettings(Section):
    """A project and the processors that run in it."""

    processors: list[str] = Field(description="Names of processors.")
    max_running: Positive | None = Field(default=None, description="Most jobs of it open at once.")


class Limits(Section):
    """How much at once."""

    max_running: Positive = Field(default=200, description="Most jobs queued or running at once.")
    max_staged: Positive = Field(default=20, description="Most attempts staged beyond the running ones.")
    max_pending: Positive | None = Field(
        default=None,
        description="Most jobs that do not run yet, staged or queued; default: max_staged, which also holds.",
    )
    submit_interval_s: float = Field(
        default=0, ge=0, le=600, description="Shortest time between two submissions to a cluster, in seconds."
    )
    submit_jitter_s: float = Field(
        default=0, ge=0, le=600, description="Up to this much is added to each such time, in seconds."
    )
    max_restarts: int = Field(default=3, ge=0, description="Restarts of a job that the cluster lost.")
    stage_workers: Positive = Field(default=2, description="Attempts staged at the same time.")
    collect_workers: Positive = Field(default=2, description="Attempts collected at the same time.")
    shrink_brake: float = Field(
        default=0.2, gt=0, le=1, description="A project that lost more than this part stops its sweep."
    )
    min_free_mb: int = Field(
        default=500, ge=0, description="Staging stops below this much free space, in MB."
    )


class Timing(Section):
    """How often, and how patiently."""

    sweep: str = Field(
        default="10m", description="Interval such as '10m', '1h', or a cron expression such as '0 2 * * *'."
    )

    @field_validator("sweep")
    @classmethod
    def _schedule(cls, value: str) -> str:
        found = INTERVAL.match(value.strip())
        if not (found and int(found[1])) and not _CRON.match(value.strip()):
            raise ValueError(
                f"'{value}' is no schedule: write an interval such as '10m', or five cron fields"
            )
        return value

    whole_sweep_s: float = Field(
        default=3600,
        ge=0,
        description="Seconds after which a sweep of the daemon reads all of a project again; 0: each time.",
    )
    watch_s: float = Field(default=20, gt=0, description="Seconds between looks at running jobs.")
    watch_max_s: float = Field(
        default=120,
        gt=0,
        description="Most seconds between questions to a cluster where nothing changes; at least watch_s.",
    )
    collect_s: float = Field(default=15, gt=0, description="Seconds between collections of ended jobs.")
    outbox_s: float = Field(default=10, gt=0, description="Seconds between tries to write to the archive.")
    exit_grace_s: float = Field(
        default=120, ge=0, description="Seconds that an exit record may be late before accounting is asked."
    )
    retry_s: float = Field(
        default=60, gt=0, description="Seconds until a put-off piece of work is tried again."
    )
    unknown_alert_s: float = Field(
        default=3600, gt=0, description="Seconds after which an unknown job state is told to the operator."
    )
    late_output_s: float = Field(
        default=86400, ge=0, description="Seconds after which listed outputs that never appear are lost."
    )


class _Document(Section):
    """The top level of the file; sections that may be broken alone stay raw."""

    archive: ArchiveSettings
    home: Path = Field(
        default=Path("~/.local/share/cci"), description="Folder for all that has no own place."
    )
    work_dir: Path | None = Field(default=None, description="Job directories; default: <home>/work.")
    ledger: str = Field(default="", description="SQLAlchemy URL; default: SQLite in <home>/ledger.db.")
    clusters: dict[str, Any] = Field(default_factory=lambda: {"local": {}})
    processors: dict[str, Any] = Field(default_factory=dict)
    projects: dict[str, Any] = Field(default_factory=dict)
    limits: Limits = Limits()
    timing: Timing = Timing()
    retry: Retries = Retries()


@dataclass(frozen=True)
class Problem:
    """A section with a mistake: where in the file, and what is wrong."""

    path: str
    message: str

    def __str__(self) -> str:
        """Return both in one line."""
        return f"{self.path}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings, with every default filled in."""

    file: Path | None
    archive: ArchiveSettings
    home: Path
    work_dir: Path
    ledger: str
    clusters: Mapping[str, ClusterSettings]
    processors: Mapping[str, ProcessorSettings]
    projects: Mapping[str, ProjectSettings]
    limits: Limits = field(default_factory=Limits)
    timing: Timing = field(default_factory=Timing)
    retry: Retries = field(default_factory=Retries)
    problems: tuple[Problem, ...] = ()

    @property
    def folder(self) -> Path:
        """Where relative paths in the file start from."""
        return self.file.parent.absolute() if self.file else Path().absolute()

    @property
    def spool(self) -> Path:
        """Where the local cluster keeps its queue."""
        return self.home / "spool"


Model = TypeVar("Model", bound=BaseModel)


def find_file(*, settings: Path | None = None, home: Path | None = None) -> Path:
    """Return the settings file to use: named, in *home*, ``$CCI_SETTINGS``, or the first of `SEARCH`.

    Raises
    ------
    SettingsError
        If there is none.
    """
    if settings is not None:
        return settings.expanduser()
    if home is not None:
        return home.expanduser() / "settings.yaml"
    named = os.environ.get("CCI_SETTINGS")
    candidates = [named] if named else list(SEARCH)
    for candidate in candidates:
        path = Path(candidate).expanduser()
        if path.is_file():
            return path
    raise SettingsError(
        f"there is no settings file ({', '.join(candidates)})",
        hint="copy settings.example.yaml to ~/.config/cci/settings.yaml, or name one with --settings",
    )


def load(path: Path, *, home: Path | None = None) -> Settings:
    """Read *path*; *home* replaces the file's own.

    Raises
    ------
    SettingsError
        Naming the file and the YAML path of every mistake in what everything needs.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise SettingsError(f"{path} is empty or not a mapping", hint="settings.example.yaml shows the form")
    return build(raw, file=path, home=home)


def build(raw: Mapping[str, Any], *, file: Path | None = None, home: Path | None = None) -> Settings:
    """Make settings from the parsed document; see `load`."""
    try:
        document = _Document.model_validate(raw)
    except ValidationError as error:
        text = "; ".join(f"{where or '(top)'}: {what}" for where, what in _mistakes(error))
        raise SettingsError(f"{file or 'settings'}: {text}") from error
    problems: list[Problem] = []
    where = str(file or "settings")
    clusters = _sections("clusters", document.clusters, cluster_model, problems)
    processors = _sections("processors", document.processors, lambda _: ProcessorSettings, problems)
    projects = _sections("projects", _spelled_out(document.projects), lambda _: ProjectSettings, problems)
    if not clusters:
        raise _no_cluster(where, problems)
    base = (home or document.home).expanduser().absolute()
    return Settings(
        file=file,
        archive=document.archive,
        home=base,
        work_dir=(document.work_dir or base / "work").expanduser().absolute(),
        ledger=document.ledger or f"sqlite:///{base / 'ledger.db'}",
        clusters=clusters,
        processors=_with_built_in(processors, projects, problems),
        projects=projects,
        limits=document.limits,
        timing=document.timing,
        retry=document.retry,
        problems=tuple(problems),
    )


def _sections(
    name: str,
    raw: Mapping[str, Any],
    model_of: Callable[[Any], type[Model]],
    problems: list[Problem],
) -> dict[str, Model]:
    """Read each section of a group alone, so that a mistake stops only itself."""
    good: dict[str, Model] = {}
    for key, value in raw.items():
        try:
            good[str(key)] = model_of(value).model_validate(value or {})
        except ValidationError as error:
            problems.extend(
                Problem(".".join(filter(None, (name, str(key), where))), what)
                for where, what in _mistakes(error)
            )
    return good


def _no_cluster(where: str, problems: Iterable[Problem]) -> SettingsError:
    """Say why no cluster is left: the mistakes in their sections, or that there is no section."""
    mistakes = [str(problem) for problem in problems if problem.path.startswith("clusters.")]
    text = "; ".join(mistakes) or "clusters: is empty"
    return SettingsError(
        f"{where}: not one cluster is usable: {text}",
        hint="leave 'clusters' out to use this machine, or give one, such as {local: {slots: 4}}",
    )


def _spelled_out(projects: Mapping[str, Any]) -> dict[str, Any]:
    """Allow ``P1: [dti_qa]`` for ``P1: {processors: [dti_qa]}``."""
    return {
        name: value if isinstance(value, Mapping) else {"processors": value}
        for name, value in projects.items()
    }


def _with_built_in(
    named: Mapping[str, ProcessorSettings], projects: Mapping[str, ProjectSettings], problems: list[Problem]
) -> dict[str, ProcessorSettings]:
    """Fill in the class of built-in processors, and name those that a project lists and nobody defines."""
    broken = {problem.path.split(".")[1] for problem in problems if problem.path.startswith("processors.")}
    complete = dict(named)
    for project, section in projects.items():
        for name in section.processors:
            if name not in complete and name in BUILT_IN and name not in broken:
                complete[name] = ProcessorSettings()
            if name not in complete and name not in broken:
                maybe = did_you_mean(name, {*complete, *broken, *BUILT_IN})
                what = f"there is no processor '{name}'{maybe}"
                problems.append(Problem(f"projects.{project}.processors", what))
    for name, section_ in complete.items():
        if not section_.use and name in BUILT_IN:
            complete[name] = section_.model_copy(update={"use": BUILT_IN[name]})
        elif not section_.use:
            problems.append(Problem(f"processors.{name}.use", "is missing: name a class as 'module:Class'"))
    return {name: section_ for name, section_ in complete.items() if section_.use}


def _mistakes(error: ValidationError) -> list[tuple[str, str]]:
    """Return (YAML path, sentence) for each mistake."""
    return [(".".join(str(part) for part in one["loc"]), sentence(one)) for one in error.errors()]
