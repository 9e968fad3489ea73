"""Processors: what can run, on which session or scan, from which inputs, with which resources.

A processor only describes. It never asks the archive and never starts anything; the daemon does, through
the tasks that a processor gives for the targets of a snapshot.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

from cci import inputs as rules
from cci import model
from cci.errors import ProcessorError, UsageError
from cci.inputs import Assessor, Output, Scan, Selection, SessionResource
from cci.status import Status

__all__ = [
    "Assessor",
    "Job",
    "Output",
    "Processor",
    "ProjectProcessor",
    "Scan",
    "ScanProcessor",
    "Selection",
    "SessionProcessor",
    "SessionResource",
    "SubjectProcessor",
]

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*\Z")
_FOLDER = re.compile(r"[A-Za-z0-9_-]+\Z")
_VERSION = re.compile(r"\d+(\.\d+)*\Z")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a processor needs to know to build a command line. Paths are relative to the job directory."""

    python: str
    cores: int
    memory_mb: int
    parameters: Mapping[str, Any]
    selection: Selection
    inputs: str = "inputs"
    outputs: str = "outputs"


class RunnableTask(Protocol):
    """What a notebook does with a task."""

    @property
    def status(self) -> Status | None:
        """The present status, None if the task does not exist yet."""

    def update(self) -> Status:
        """Do the task's next step and return the status it is in then."""


TaskMaker = Callable[["Processor", model.Session, str], RunnableTask]


class Processor:
    """Describe one pipeline; subclass one of its four children, not this class.

    Class attributes, each of which a settings file may override per site:

    Attributes
    ----------
    version
        Version of the pipeline; its first number is part of the proctype, so a new major version makes new
        tasks and leaves old results alone.
    inputs
        Selection rules; see `cci.inputs`.
    outputs
        What a job must leave behind.
    walltime
        Longest run time of a job.
    memory_mb
        Memory of a job in MB (2**20 bytes).
    cores
        Processor cores of a job.
    gpus
        Graphics processors of a job.
    mpi_slots
        Slots of a job that may spread over nodes, each of *cores*; 0 for a job on one node.
    queue, account, native
        The cluster's queue and account, and further options in the batch system's own words. A text, or one
        for each cluster, by the cluster's name or its batch system (``sge``, ``slurm``, ``pbs``, ``lsf``).
    spider
        Module that computes, run as ``python -m <spider> inputs outputs`` with the node's interpreter.
    parameters
        Free values handed to the spider in ``inputs.json``.
    own_resources
        Resources of the task's own assessor that are staged when they are there, by the name of the input:
        what a person put for the next run, such as manual edits.

    Raises
    ------
    ProcessorError
        When an instance is made of a class that lacks an attribute or has a wrong one; the message names the
        file and the attribute.
    """

    name: ClassVar[str] = ""
    level: ClassVar[str] = ""
    version: str = ""
    inputs: Sequence[rules.Rule] = ()
    outputs: Sequence[Output] = ()
    walltime: timedelta = timedelta(hours=24)
    memory_mb: int = 4096
    cores: int = 1
    gpus: int = 0
    mpi_slots: int = 0
    queue: str | Mapping[str, str] = ""
    account: str | Mapping[str, str] = ""
    native: str | Mapping[str, str] = ""
    priority: int = 0
    spider: str = ""
    parameters: Mapping[str, Any] = MappingProxyType({})
    own_resources: Mapping[str, str] = MappingProxyType({})

    def __init__(self, **overrides: Any) -> None:
        for key, value in overrides.items():
            present = getattr(type(self), key, None)
            if present is None or callable(present) or isinstance(present, property):
                raise ProcessorError(f"{self._where()} has no attribute '{key}' to override")
            setattr(self, key, value)
        self._check()

    # -- for notebooks ------------------------------------------------------------------------------------

    def get_task(self, session: model.Session, scan_id: str = "") -> RunnableTask:
        """Return this processor's task on a session, or on one scan of it.

        Raises
        ------
        UsageError
            If nothing is connected (`cci.connect`), or the processor has no task there.
        """
        if Processor.connected is None:
            raise UsageError("not connected to an archive", hint="call cci.connect(...) first")
        return Processor.connected(self, session, scan_id)

    #: Makes tasks; set by `cci.connect`, for a processor itself knows no archive.
    connected: ClassVar[TaskMaker | None] = None

    # -- for subclasses ---------------------------------------------------------------------------------

    def can_run(self, target: model.Target) -> Selection:
        """Choose the inputs for *target*, or say which condition does not hold. Pure: no I/O, no clock."""
        return rules.resolve(self.inputs, target)

    def command(self, job: Job) -> list[str]:
        """Build the argument list that runs on the node; nothing in it is ever seen by a shell."""
        return [job.python, "-m", self.spider, job.inputs, job.outputs]

    def ready_here(self) -> str:
        """Say why nothing of this processor can start on this site at present; empty if it can.

        Asked once a sweep, it may look at the disk (a licence file, a container image).
        """
        return ""

    # -- for the daemon -----------------------------------------------------------------------------------

    @classmethod
    def proc_name(cls) -> str:
        """Return the name in the proctype: *name*, or the class name without its last word."""
        return cls.name or cls.__name__.removesuffix("Processor")

    @property
    def proctype(self) -> str:
        """The ``proctype`` of this processor's assessors: ``<Name>_v<major version>``."""
        return f"{self.proc_name()}_v{self.version.partition('.')[0]}"

    def targets(self, project: model.Project) -> Iterator[model.Target]:
        """Yield every target in *project* that this processor has a task on."""
        raise NotImplementedError

    def applies(self, target: model.Target) -> bool:
        """Whether a task exists on *target*: its type matches, and its results are not there already."""
        raise NotImplementedError

    def _where(self) -> str:
        try:
            source = inspect.getsourcefile(type(self)) or "?"
        except TypeError:
            source = "<notebook>"
        return f"{Path(source).name}: processor {type(self).__name__}"

    def _check(self) -> None:
        """Refuse a class that cannot work, when it is loaded rather than when it runs."""
        if not self.level:
            kinds = "ScanProcessor, SessionProcessor, SubjectProcessor or ProjectProcessor"
            raise ProcessorError(f"{self._where()} must be a {kinds}")
        for attribute, problem in self._problems():
            raise ProcessorError(f"{self._where()}: attribute '{attribute}' {problem}")

    def _problems(self) -> Iterator[tuple[str, str]]:
        if not _WORD.match(self.proc_name()):
            yield "name", f"must be letters and digits, not {self.proc_name()!r}"
        if not _VERSION.match(str(self.version)):
            yield "version", f"must be a version such as '1.0.0', not {self.version!r}"
        yield from self._input_problems()
        if not self.outputs:
            yield "outputs", "is missing: say which files a job must leave behind"
        if not self.spider and type(self).command is Processor.command:
            yield "spider", "is missing: name a module, or write command()"
        if not isinstance(self.walltime, timedelta) or self.walltime <= timedelta(0):
            yield "walltime", f"must be a positive timedelta, not {self.walltime!r}"
        for attribute in ("memory_mb", "cores"):
            value = getattr(self, attribute)
            if not isinstance(value, int) or value < 1:
                yield attribute, f"must be a positive whole number, not {value!r}"
        for attribute in ("gpus", "mpi_slots"):
            value = getattr(self, attribute)
            if not isinstance(value, int) or value < 0:
                yield attribute, f"must be 0 or a positive whole number, not {value!r}"
        for attribute in ("queue", "account", "native"):
            value = getattr(self, attribute)
            if not isinstance(value, (str, Mapping)):
                yield attribute, f"must be a text, or a text for each cluster, not {value!r}"
        yield from self._output_problems()

    def _input_problems(self) -> Iterator[tuple[str, str]]:
        if not self.inputs and type(self).can_run is Processor.can_run:
            yield "inputs", "is missing: say which scans or assessors it needs"
        names = [rule.name for rule in self.inputs]
        for name in names:
            if not _FOLDER.match(name):
                yield "inputs", f"has the name {name!r}, which must be letters, digits, '_' and '-'"
            if names.count(name) > 1:
                yield "inputs", f"has two rules named '{name}'"
        for rule in self.inputs:
            for part, value in vars(rule).items():
                # a text is a sequence of letters, and '*' among them would match everything
                if part != "name" and isinstance(value, str):
                    yield "inputs", f"'{rule.name}': {part} must be a list, such as [{value!r}]"

    def _output_problems(self) -> Iterator[tuple[str, str]]:
        for output in self.outputs:
            if output.resource in RESERVED_RESOURCES:
                yield "outputs", f"may not use the reserved resource {output.resource}"
            if output.to == "scan" and self.level != "scan":
                yield "outputs", f"{output.resource} can go to the scan only from a ScanProcessor"


#: Resources of an assessor that only cci itself (PROV, OLD, CCI_NEW) or a person (EDITS) writes.
RESERVED_RESOURCES = frozenset({"PROV", "OLD", "EDITS", "CCI_NEW"})


class ScanProcessor(Processor):
    """A processor with one task for each scan that its first `Scan` rule describes."""

    level = "scan"

    def targets(self, project: model.Project) -> Iterator[model.Target]:
        """Yield every matching scan of the sessions that this project owns."""
        for subject, session in project.sessions():
            for scan in session.scans if session.project == project.id else ():
                target = model.Target(project=project, subject=subject, session=session, scan=scan)
                if self.applies(target):
                    yield target

    def applies(self, target: model.Target) -> bool:
        """Whether the scan's type matches and the results that go to the scan are not there already."""
        rule = next((rule for rule in self.inputs if isinstance(rule, Scan)), None)
        return target.scan is not None and (rule is None or rule.matches(target.scan))

    def results_on_scan(self) -> frozenset[str]:
        """Return the labels of the required resources that this processor attaches to the scan itself."""
        return frozenset(out.resource for out in self.outputs if out.to == "scan" and out.required)


class SessionProcessor(Processor):
    """A processor with one task for each session that has a scan for each of its `Scan` rules."""

    level = "session"

    def targets(self, project: model.Project) -> Iterator[model.Target]:
        """Yield every matching session that this project owns."""
        for subject, session in project.sessions():
            target = model.Target(project=project, subject=subject, session=session)
            if session.project == project.id and self.applies(target):
                yield target

    def applies(self, target: model.Target) -> bool:
        """Whether the session has a scan of a fitting type, of whatever quality, for every scan rule."""
        session = target.session
        wanted = [rule for rule in self.inputs if isinstance(rule, Scan)]
        return session is not None and all(any(map(rule.matches, session.scans)) for rule in wanted)


class SubjectProcessor(Processor):
    """A processor with one task for each subject; its rules may name subject-level assessors."""

    level = "subject"

    def targets(self, project: model.Project) -> Iterator[model.Target]:
        """Yield every matching subject that this project owns."""
        for subject in project.subjects:
            target = model.Target(project=project, subject=subject)
            if subject.project == project.id and self.applies(target):
                yield target

    def applies(self, target: model.Target) -> bool:
        """Whether the target is a subject with at least one session."""
        return target.subject is not None and bool(target.subject.sessions)


class ProjectProcessor(Processor):
    """A processor with one task for the whole project."""

    level = "project"

    def targets(self, project: model.Project) -> Iterator[model.Target]:
        """Yield the project."""
        target = model.Target(project=project)
        if self.applies(target):
            yield target

    def applies(self, target: model.Target) -> bool:
        """Whether the project has a subject."""
        return bool(target.project.subjects)
