"""Processors for tests of the daemon, as a site would write them; they compute nothing worth having."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from cci import model
from cci.processor import (
    Assessor,
    Job,
    Output,
    Processor,
    ProjectProcessor,
    Scan,
    ScanProcessor,
    Selection,
    SessionProcessor,
    SubjectProcessor,
)

SPIDER = str(Path(__file__).with_name("trivial_spider.py"))


class _Trivial(Processor):
    """What all of them share: the spider, and little of everything."""

    version = "1.0.0"
    outputs: Sequence[Output] = (Output("TEXT", "summary.txt"), Output("COPY", required=False))
    walltime = timedelta(minutes=5)
    memory_mb = 16

    def command(self, job: Job) -> list[str]:
        """Run the trivial spider."""
        return [job.python, SPIDER, job.inputs, job.outputs]


class CopyProcessor(_Trivial, ScanProcessor):
    """Copy the resource DATA of a scan."""

    inputs = (Scan("image", type=["T1*"], resources=["DATA"]),)


class OtherProcessor(_Trivial, ScanProcessor):
    """Copy the resource DATA of a scan too, as another pipeline."""

    inputs = (Scan("image", type=["T1*"], resources=["DATA"]),)


class AfterProcessor(_Trivial, SessionProcessor):
    """Copy what `CopyProcessor` made of the session."""

    inputs = (Assessor("first", proctype=["Copy_v1"], resources=["TEXT"]),)


class PassedProcessor(_Trivial, SessionProcessor):
    """Copy what `CopyProcessor` made, once a person has passed it."""

    inputs = (Assessor("first", proctype=["Copy_v1"], resources=["TEXT"], needs_qc=True),)


class AttachProcessor(_Trivial, ScanProcessor):
    """Put its result on the scan itself."""

    inputs = (Scan("image", type=["T1*"], resources=["DATA"]),)
    outputs = (Output("TEXT", "summary.txt", to="scan"),)


class EverySubjectProcessor(_Trivial, SubjectProcessor):
    """Run on a subject, without inputs."""

    def can_run(self, target: model.Target) -> Selection:
        """Run always."""
        del target
        return Selection()


class WholeProjectProcessor(_Trivial, ProjectProcessor):
    """Run on a project, without inputs."""

    def can_run(self, target: model.Target) -> Selection:
        """Run always."""
        del target
        return Selection()


class RaisingProcessor(_Trivial, ScanProcessor):
    """Fail while it looks at a scan."""

    inputs = (Scan("image", type=["T1*"], resources=["DATA"]),)

    def can_run(self, target: model.Target) -> Selection:
        """Fail."""
        del target
        raise RuntimeError("this processor has a mistake")
