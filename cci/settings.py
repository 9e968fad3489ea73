"""Settings: one YAML file, read once into frozen values.

Only this module and `cci.credentials` read the environment.

A mistake in what everything needs (archive, ledger, limits) is a `SettingsError`. A mistake in the section
of one processor, project or cluster is a `Problem`: it stops that section and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, Field, ValidationError

from cci.errors import SettingsError, did_you_mean
from cci.mistakes import sentence
from cci.retries import Retries
from cci.settings_clusters import (
    ClusterSettings,
    CommandClusterSettings,
    DrmaaClusterSettings,
    LocalClusterSettings,
    Section,
    cluster_model,
)
from cci.settings_sections import (
    INTERVAL,
    ArchiveSettings,
    Limits,
    ProcessorSettings,
    ProjectSettings,
    Timing,
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
