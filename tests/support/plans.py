"""Processors of every level, and plans over them, for tests of the plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cci.daemon.ledger import TaskEntry
from cci.daemon.plan import Action, Configured, Plan, View, plan
from cci.inputs import Selection
from cci.model import Project, Target
from cci.processor import (
    Output,
    Processor,
    ProjectProcessor,
    Scan,
    ScanProcessor,
    SessionProcessor,
    SubjectProcessor,
)
from support.snapshots import ARCHIVE, NOW, a_scan, a_session, an_assessor, mark, project_of


class Dti(SessionProcessor):
    """One task for each session with a DTI scan."""

    version = "1.0"
    inputs = (Scan("dwi", type=["DTI"]),)
    outputs = (Output("PDF"),)
    spider = "lab.dti"


class Convert(ScanProcessor):
    """One task for each scan; its result goes to the scan."""

    version = "1.0"
    inputs = (Scan("dicom", resources=["DICOM"]),)
    outputs = (Output("NIFTI", to="scan"),)
    spider = "lab.convert"


class Growth(SubjectProcessor):
    """One task for each subject."""

    version = "1.0"
    outputs = (Output("STATS"),)
    spider = "lab.growth"

    def can_run(self, target: Target) -> Selection:
        del target
        return Selection()


class Template(ProjectProcessor):
    """One task for the project."""

    version = "1.0"
    outputs = (Output("STATS"),)
    spider = "lab.template"

    def can_run(self, target: Target) -> Selection:
        del target
        return Selection()


class Raising(Dti):
    """Cannot look at one session."""

    name = "Raising"

    def can_run(self, target: Target) -> Selection:
        if target.session is not None and target.session.id == "E2":
            raise ZeroDivisionError("no volumes")
        return super().can_run(target)


class Blind(Dti):
    """Cannot even list its targets."""

    name = "Blind"

    def targets(self, project: Project) -> Iterator[Target]:
        yield from super().targets(project)
        raise KeyError("lab")


def configured(processor: Processor, **values: Any) -> Configured:
    """Return a processor as a site configures it."""
    return Configured(name=processor.proc_name().lower(), processor=processor, cluster="local", **values)


def made(
    snapshot: Project, *processors: Processor | Configured, entries: Sequence[TaskEntry] = (), **options: Any
) -> Plan:
    """Plan a sweep of a snapshot."""
    ready = [one if isinstance(one, Configured) else configured(one) for one in processors]
    return plan(snapshot, ready, View.of(entries), archive=ARCHIVE, now=NOW, **options)


def moves(planned: Plan) -> dict[str, str]:
    """Return what is to be done with each task, by its label."""
    return {action.label: str(action.decision.move) for action in planned.actions}


def only(planned: Plan) -> Action:
    """Return the plan's only action."""
    (action,) = planned.actions
    return action


TWO = project_of(a_session(a_scan()), a_session(a_scan(), session_id="E2"))
ONE = project_of(a_session(a_scan()))
#: An assessor that a Dti task of ours has.
OURS = an_assessor("Dti_v1", id="A1", label="ours", inputs=mark(), note="all is well")
