"""Loops for notebooks: take every task of some processors one step on.

They act through a `Workplace`; the daemon's sweep does the same work in bulk and needs no loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cci import model
from cci.processor import Processor, ProjectProcessor, ScanProcessor, SessionProcessor, SubjectProcessor
from cci.status import Status
from cci.task import Task, Workplace, label_parts

ProcessorLike = Processor | type[Processor]


def instances(processors: Iterable[ProcessorLike]) -> list[Processor]:
    """Make an instance of every class; instances stay."""
    return [one() if isinstance(one, type) else one for one in processors]


@dataclass(frozen=True)
class Loop:
    """What all loops share: a place to act, a project, and processors of one level.

    Parameters
    ----------
    workplace
        From `cci.connect`.
    project
        A project's snapshot, or its id.
    processors
        Classes or instances; those of another level are passed over.
    subject, session
        Only this one, by label or accession id; empty for all.
    """

    workplace: Workplace
    project: model.Project | str
    processors: Iterable[ProcessorLike]
    subject: str = ""
    session: str = ""

    #: The processors that this loop runs.
    kind = Processor

    def tasks(self) -> Iterator[Task]:
        """Yield every task."""
        snapshot = self.workplace.project(self.project) if isinstance(self.project, str) else self.project
        for processor in instances(self.processors):
            if isinstance(processor, self.kind):
                for target in processor.targets(snapshot):
                    if target.belongs_to(subject=self.subject, session=self.session):
                        yield Task(processor=processor, target=target, workplace=self.workplace)

    def run(self) -> dict[str, Status]:
        """Take every task one step on; return the status of each by what it runs on."""
        return {_place(task): task.update() for task in self.tasks()}


class ScanLoop(Loop):
    """Every scan processor on every scan."""

    kind = ScanProcessor


class ExperimentLoop(Loop):
    """Every session processor on every session."""

    kind = SessionProcessor


class SubjectLoop(Loop):
    """Every subject processor on every subject."""

    kind = SubjectProcessor


class ProjectLoop(Loop):
    """Every project processor on the project."""

    kind = ProjectProcessor


def _place(task: Task) -> str:
    """Return ``session/scan proctype`` of a task."""
    return f"{'/'.join(label_parts(task.target))} {task.processor.proctype}"
