"""PBS Professional, OpenPBS and Torque by their commands. How they print is in `pbs_reading`.

There is no PBS to run our tests on: the words are those of the manuals, the outputs those of manuals and
public threads. ``torque: true`` in the cluster's section chooses what only Torque does otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from cci.cluster import pbs_reading as reading
from cci.cluster.base import JobRef, JobReport, JobSpec
from cci.cluster.commands import CommandCluster, Entry, Listing
from cci.cluster.commands_run import Commands
from cci.errors import ClusterUnavailable

#: The longest name that Torque takes; qsub(1B).
_TORQUE_NAME = 15
#: Asks for ended jobs too; to Torque it means XML.
_HISTORY = ("-x",)


class PbsCluster(CommandCluster):
    """A PBS behind qsub, qstat, qselect, qdel, qhold, qrls and qsig."""

    dialect = "pbs"
    variables = ("PBS_CONF_FILE", "PBS_EXEC", "PBS_HOME", "PBS_SERVER", "PBS_DEFAULT")
    id_form = re.compile(r"[0-9]+(\[[0-9]*\])?(\.[A-Za-z0-9._-]+)?")
    silence = re.compile(
        r"[Cc]annot connect to server|[Cc]ould not connect|[Cc]onnection (refused|timed out|reset)"
        r"|Communication failure|End of File|[Pp]remature end of message|pbs_iff|Expired credential"
        r"|[Ss]erver (is )?shutting down|errno=150(10|31|33|34)\b|Request timed out"
        r"|job_history_enable|Invalid credential|[Ss]ystem error|[Tt]rying to connect"
    )
    refusal = re.compile(r"^qsub: ", re.MULTILINE)
    unknown_job = re.compile(r"Unknown Job Id|Job has finished")
    verbs = MappingProxyType(
        {
            "hold": ("qhold",),
            "release": ("qrls",),
            # an operator's right at most sites
            "suspend": ("qsig", "-s", "suspend"),
            "resume": ("qsig", "-s", "resume"),
            "kill": ("qdel",),
        }
    )
    needless = MappingProxyType(
        {
            "hold": re.compile(r"invalid for state"),
            "release": re.compile(r"invalid for state"),
            "kill": re.compile(r"Job has finished|invalid for state"),
        }
    )
    asking = MappingProxyType({"TZ": "UTC"})  # the times that they print have no zone

    def __init__(self, name: str, commands: Commands) -> None:
        super().__init__(name, commands)
        self._keeps_history = True

    # -- submitting and finding

    def known_as(self, name: str) -> str:
        """Return the name; for Torque the end of its nonce after a letter, which is all that fits."""
        if not self.site.torque or len(name) <= _TORQUE_NAME:
            return name
        return f"c{name[1 - _TORQUE_NAME :]}"

    def submission(self, job: JobSpec) -> Sequence[str]:
        """Submit the script; the command line's name wins over the script's."""
        return ("qsub", "-N", self.known_as(job.name), str(job.script))

    def submitted_id(self, printed: str) -> str:
        """Return the last word; a site's hooks may print before it."""
        return (printed.split() or [""])[-1]

    def find(self, name: str) -> JobRef | None:
        """Ask for the ids of all jobs of this name, then for those jobs; see `Cluster.find`.

        PBS Professional keeps ended jobs for days where ``job_history_enable`` is set; where it is not, its
        refusal to look there is no answer. Torque forgets a job ``keep_completed`` seconds after its end:
        one that ran and is forgotten has left its claim in the job directory, which refuses a second job.
        """
        known = self.known_as(name)
        # with the history in any case: without it an empty answer proves nothing
        ended = () if self.site.torque else _HISTORY
        ids = self.ask(("qselect", *ended, "-N", known)).split()
        ids = [number for number in ids if self.id_form.fullmatch(number)]
        entries = [entry for entry in self._entries_of(ids) if entry.name == known]
        return JobRef(entries[-1].id, name, entries[-1].submitted) if entries else None

    @property
    def _history(self) -> tuple[str, ...]:
        return _HISTORY if self._keeps_history and not self.site.torque else ()

    # -- asking

    def states(self, jobs: Collection[JobRef]) -> Mapping[JobRef, JobReport]:
        """List jobs in full, ended ones too where the site keeps them; see `Cluster.states`."""
        try:
            return super().states(jobs)
        except ClusterUnavailable as error:
            if "job_history_enable" not in error.message:
                raise
        self._keeps_history = False
        return super().states(jobs)

    def status_of(self, ids: Sequence[str]) -> Sequence[str]:
        """List jobs in full, ended ones too."""
        return ("qstat", *self._history, "-f", *ids)

    def status_by_name(self, name: str) -> Sequence[str]:
        """Ask for ids: qstat cannot be asked for a name."""
        return ("qselect", *self._history, "-N", name)

    def read_listing(self, printed: str) -> Listing:
        """Read ``qstat -f``."""
        return reading.read_listing(printed)

    def entries(self, *, job_id: str = "", name: str = "") -> Sequence[Entry]:
        """Ask qstat: its job history is all the books that a user can read."""
        if job_id:
            return self._entries_of([job_id])
        return self._entries_of(self.ask(self.status_by_name(name)).split())

    def _entries_of(self, ids: Sequence[str]) -> Sequence[Entry]:
        return reading.read_entries(self.ask(self.status_of(ids))) if ids else ()


def from_settings(name: str, settings: Mapping[str, Any]) -> PbsCluster:
    """Make the cluster that a settings section describes; see `CommandCluster.from_settings`."""
    return PbsCluster.from_settings(name, settings)
