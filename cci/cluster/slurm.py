"""Slurm by its commands: which are run when, and what they may complain of.

What they print is read in `cci.cluster.slurm_read`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

from cci.cluster import slurm_read
from cci.cluster.base import JobSpec
from cci.cluster.commands import CommandCluster, CutShort, Entry, Listing
from cci.errors import ClusterUnavailable

#: How far back the books are searched for a name; an attempt's intent is never as old. A job that was held
#: from its first moment, and ended so, is in no such search: it never ran, and may be submitted again.
_LOOK_BACK = "now-90days"
_SUBMITTED = re.compile(r"^(\d+)(?:;\S+)?[ \t]*$", re.MULTILINE)
#: What sacct says where Slurm is set up without slurmdbd, which is no outage of it.
_NO_SLURMDBD = re.compile(r"accounting storage is disabled")


class SlurmCluster(CommandCluster):
    """Jobs on a Slurm cluster.

    How a job ended is known by slurmdbd (``sacct``), for ``MinJobAge`` seconds by the controller
    (``squeue``), and by the text file of a site without slurmdbd (``sacct -c``). A site need not have all.
    """

    dialect = "slurm"
    variables = ("SLURM_CONF",)
    asks_by_id = False
    #: Seconds since 1970: the text file's times are in the zone of this machine, slurmdbd's in UTC.
    asking: ClassVar[Mapping[str, str]] = MappingProxyType({"SLURM_TIME_FORMAT": "%s"})
    #: See slurm_strerror(3): no controller, no way to it, no munge, no disk on its side, a backup's start.
    silence = re.compile(
        r"Unable to contact slurm controller|Socket timed out|Zero Bytes were transmitted"
        r"|Connection (refused|timed out|reset)|[Cc]ommunication (connection|shutdown) failure"
        r"|Message (send|receive) failure|[Aa]uthentication (error|credential)|[Mm]unge|standby mode"
        r"|temporarily unable|Resource temporarily unavailable|Unable to resolve|No route to host"
        r"|Unexpected message received|I/O error writing|Interrupted system call"
        r"|Incompatible versions of client and server"
    )
    #: The controller's own answer, or sbatch's before it asked.
    refusal = re.compile(
        r"Batch job submission failed: "
        r"|sbatch: (error: )?([Uu]nrecognized option|[Ii]nvalid |option .*requires|Unable to open file"
        r"|Could not open |.*does not look like|.* is invalid|Memory specification|Can't )"
    )
    unknown_job = re.compile(r"Invalid job id specified")
    verbs = MappingProxyType(
        {
            "hold": ("scontrol", "hold"),
            "release": ("scontrol", "release"),
            "suspend": ("scontrol", "suspend"),
            "resume": ("scontrol", "resume"),
            "kill": ("scancel",),
        }
    )
    needless = MappingProxyType(
        {
            "hold": re.compile(r"Job has already finished"),
            "release": re.compile(r"Job has already finished"),
            "kill": re.compile(r"Job/step already completing or completed|Job has already finished"),
        }
    )

    # -- words

    def submission(self, job: JobSpec) -> Sequence[str]:
        """Submit the script, with whatever its header asks for.

        Name and no requeueing are said here too: all depends on them, and a site's own template may not.
        """
        return ("sbatch", "--parsable", "--no-requeue", f"--job-name={job.name}", str(job.script))

    def submitted_id(self, printed: str) -> str:
        """Read the last line that is ``id`` or ``id;cluster``; a site's plug-ins may print others."""
        found = _SUBMITTED.findall(printed)
        return found[-1] if found else ""

    def job_environment(self, job: JobSpec) -> Mapping[str, str]:
        """Return variables that sbatch takes to the job, with UTF-8 in place of the plain C locale."""
        return {"LC_ALL": "C.UTF-8", **job.environment}

    def status_of(self, ids: Sequence[str]) -> Sequence[str]:
        """List jobs in every state, ended ones for as long as the controller remembers them.

        squeue compares each job of the cluster with each id that it is told, which takes longer than all
        the rest: 0.2 s for 5,000 jobs. For more than one it is asked for all jobs of this user.
        """
        which = f"--jobs={ids[0]}" if len(ids) == 1 else f"--user={os.geteuid()}"
        return (*_SQUEUE, f"--format={slurm_read.LISTING_FORMAT}", which)

    def status_by_name(self, name: str) -> Sequence[str]:
        """List the jobs of one name."""
        return (*_SQUEUE, f"--format={slurm_read.LISTING_FORMAT}", f"--name={name}")

    def read_listing(self, printed: str) -> Listing:
        """Read what squeue printed."""
        return slurm_read.read_listing(printed)

    # -- the books

    def cause_in_log(self, written: str) -> str:
        """Read what slurmstepd wrote; see `Cluster.cause_in_log`."""
        return slurm_read.cause_in_log(written)

    def entries(self, *, job_id: str = "", name: str = "") -> Sequence[Entry]:
        """Return what slurmdbd, the controller and the text file know; see `CommandCluster.entries`."""
        return self._of_name(name) if name else self._of_id(job_id)

    def _of_id(self, job_id: str) -> Sequence[Entry]:
        """Ask all who may know how a job ended; it is enough that one answers."""
        known: list[tuple[Entry, ...]] = []
        troubles = []
        for ask in (self._completions, self._memory, self._books):
            try:
                known.append(ask(f"--jobs={job_id}"))
            except ClusterUnavailable as error:
                known.append(())
                troubles.append(error)
        if len(troubles) == len(known):
            raise troubles[-1]
        return slurm_read.settle(*known)

    def _of_name(self, name: str) -> Sequence[Entry]:
        """Look in the books for a name that the controller does not list.

        An answer of slurmdbd proves what it lacks. So does a text file that has entries: of a file that is
        not on this machine, ``sacct -c`` makes an empty answer, and of one that it cannot read it may die,
        which proves nothing. Where Slurm keeps no books, the controller's listing is all the proof there
        is: no job of this name waits, runs, or has ended within ``MinJobAge``. One that ended earlier has
        left its claim and its exit record in the job directory, where a second one would be refused.
        """
        try:
            return self._books(f"--name={name}", f"--starttime={_LOOK_BACK}")
        except ClusterUnavailable as error:
            completions = self._completions_or_none()
            if completions or _NO_SLURMDBD.search(error.message):
                return completions
            raise

    def _completions_or_none(self) -> tuple[Entry, ...]:
        try:
            return self._completions()
        except CutShort:
            raise
        except ClusterUnavailable:
            return ()

    def _books(self, *which: str) -> tuple[Entry, ...]:
        words = ("sacct", "--duplicates", *_sacct(slurm_read.BOOKS), *which)
        return self._read(words, slurm_read.read_books)

    def _memory(self, *which: str) -> tuple[Entry, ...]:
        words = (*_SQUEUE, f"--Format={slurm_read.MEMORY_FORMAT}", *which)
        return self._read(words, slurm_read.read_memory)

    def _completions(self, *which: str) -> tuple[Entry, ...]:
        words = ("sacct", "--completion", *_sacct(slurm_read.COMPLETIONS), *which)
        return self._read(words, slurm_read.read_completions)

    def _read(
        self,
        words: Sequence[str],
        read: Callable[[str], tuple[tuple[Entry, ...], tuple[str, ...]]],
    ) -> tuple[Entry, ...]:
        entries, unreadable = read(self.ask(words))
        self.tell_unreadable(words[0], unreadable)
        return entries


_SQUEUE = ("squeue", "--noheader", "--states=all")


def _sacct(fields: Sequence[str]) -> tuple[str, ...]:
    return ("--noheader", "--parsable2", f"--format={','.join(fields)}")


def from_settings(name: str, settings: Mapping[str, Any]) -> SlurmCluster:
    """Make the cluster that a settings section with ``kind: slurm`` describes; see `CommandCluster`."""
    return SlurmCluster.from_settings(name, settings)
