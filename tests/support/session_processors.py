"""Three processors of sessions, for projects with several assessors on each session; they compute nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from cci.processor import Job, Output, Scan, SessionProcessor

SPIDER = str(Path(__file__).with_name("trivial_spider.py"))


class FirstProcessor(SessionProcessor):
    """Copy the resource DATA of the session's best scan."""

    version = "1.0.0"
    inputs = (Scan("image", type=["T1*"], resources=["DATA"]),)
    outputs = (Output("TEXT", "summary.txt"), Output("COPY", required=False))
    walltime = timedelta(minutes=5)
    memory_mb = 16

    def command(self, job: Job) -> list[str]:
        """Run the trivial spider."""
        return [job.python, SPIDER, job.inputs, job.outputs]


class SecondProcessor(FirstProcessor):
    """The same, as another pipeline."""


class ThirdProcessor(FirstProcessor):
    """The same, as a third one."""
