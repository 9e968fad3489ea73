"""LSF by its commands. How they print is in `lsf_reading`.

There is no LSF to run our tests on: the words are those of IBM's manual for LSF 10.1, the outputs those of
the manual and of public threads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cci.cluster import lsf_reading as reading
from cci.cluster.base import JobRef, JobSpec, JobState
from cci.cluster.commands import CommandCluster, Entry, Listing
from cci.cluster.commands_run import Result
from cci.errors import ClusterUnavailable


class LsfCluster(CommandCluster):
    """An LSF behind bsub, bjobs, bhist, bkill, bstop and bresume."""

    dialect = "lsf"
    variables = (
        "LSF_ENVDIR",
        "LSF_SERVERDIR",
        "LSF_BINDIR",
        "LSF_LIBDIR",
        "XLSF_UIDDIR",
        "EGO_CONFDIR",
        "EGO_TOP",
    )
    id_form = re.compile(r"[1-9][0-9]*")
    silence = re.compile(
        r"Cannot connect to LSF|LSF is down|LIM is down|[Cc]ommunication time ?out|not responding"
        r"|Failed in an LSF library call|[Cc]onnection (refused|reset|timed out)|lsf\.conf|LSF_ENVDIR"
        r"|batch daemon|[Ss]ervice not available|Failed in sending/receiving"
    )
    refusal = re.compile(
        r"Job not submitted|Request aborted by esub|[Ii]llegal option|usage: bsub|"
        r"No such queue|Bad resource requirement|cannot use the queue"
    )
    unknown_job = re.compile(r"is not found|No matching job found|No (unfinished )?job found|No job found")
    verbs = MappingProxyType(
        {
            "hold": ("bstop",),
            "release": ("bresume",),
            "suspend": ("bstop",),
            "resume": ("bresume",),
            "kill": ("bkill",),
        }
    )
    needless = MappingProxyType({"kill": re.compile("Job has already finished")})
    asking = MappingProxyType({"TZ": "UTC", "LSB_DISPLAY_YEAR": "Y"})

    # -- submitting and finding

    def submission(self, job: JobSpec) -> Sequence[str]:
        """Let bsub read the script, as only then it heeds its header; the name here wins over that one."""
        return ("bsub", "-J", job.name)

    def submission_source(self, job: JobSpec) -> Path | None:
        """Hand the script to bsub."""
        return job.script

    def submitted_id(self, printed: str) -> str:
        """Read "Job <930> is submitted to default queue <normal>."; an esub may print before it."""
        found = re.findall(r"Job <(\d+)> is submitted", printed)
        return found[-1] if found else ""

    # -- asking

    def status_of(self, ids: Sequence[str]) -> Sequence[str]:
        """List jobs, ended ones too; LSF forgets those after ``CLEAN_PERIOD``, usually an hour."""
        return ("bjobs", "-a", "-json", "-o", reading.FIELDS, *ids)

    def status_by_name(self, name: str) -> Sequence[str]:
        """List the jobs of one name."""
        return ("bjobs", "-a", "-json", "-o", reading.FIELDS, "-J", name)

    def read_listing(self, printed: str) -> Listing:
        """Read bjobs."""
        return reading.read_listing(printed, datetime.now(UTC))

    def ask(self, words: Sequence[str]) -> str:
        """Run a command that only asks; of bjobs, half an answer is none."""
        printed = super().ask(words)
        if words[0] == "bjobs" and printed.strip() and not reading.is_whole(printed):
            raise ClusterUnavailable(f"cluster {self.name} does not answer: bjobs printed no whole JSON")
        return printed

    def _only_lacks_jobs(self, result: Result) -> bool:
        """Heed too that bjobs -json says so in its records, and nowhere else."""
        in_records = result.words[0] == "bjobs" and not result.complaints and reading.is_whole(result.stdout)
        return in_records or super()._only_lacks_jobs(result)

    def entries(self, *, job_id: str = "", name: str = "") -> Sequence[Entry]:
        """Ask bjobs, and bhist (all its log files) for what bjobs has forgotten."""
        asked = self.status_of([job_id]) if job_id else self.status_by_name(name)
        now = datetime.now(UTC)
        found = reading.read_entries(self.ask(asked), now)
        if found:
            return found
        whom = (job_id,) if job_id else ("-a", "-J", name)
        return reading.read_history(self.ask(("bhist", "-l", "-n", "0", *whom)), now)

    # -- controlling

    def hold(self, job: JobRef) -> None:
        """Keep a queued job from starting; bstop would suspend one that runs, so that is left alone."""
        if self.states([job])[job].state is JobState.QUEUED:
            super().hold(job)


def from_settings(name: str, settings: Mapping[str, Any]) -> LsfCluster:
    """Make the cluster that a settings section describes; see `CommandCluster.from_settings`."""
    return LsfCluster.from_settings(name, settings)
