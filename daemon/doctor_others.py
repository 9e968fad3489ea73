"""Looks at the local cluster, at PBS and LSF, and at a DRMAA library: what is quick to tell of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast

from cci.cluster.drmaa import DrmaaCluster
from cci.cluster.local import LocalCluster
from cci.daemon.doctor_desk import CONTROLLER, LIBRARY, Desk
from cci.daemon.doctor_hints import hint_for
from cci.daemon.findings import Finding
from cci.errors import ClusterError

PBS_COMMANDS = ("qsub", "qstat", "qdel", "qhold", "qrls", "qsig")
LSF_COMMANDS = ("bsub", "bjobs", "bhist", "bkill", "bstop", "bresume", "bqueues")


def examine_local(desk: Desk) -> Iterator[Finding]:
    """Warn of processors that ask for more than this machine's cluster has in all: their jobs are refused."""
    cluster = cast("LocalCluster", desk.cluster)
    for configured in desk.processors:
        wishes = (
            (configured.processor.cores, cluster.slots, "cores", "slots"),
            (configured.processor.memory_mb, cluster.memory_mb, "MB of memory", "memory_mb"),
        )
        for wanted, there, what, setting in wishes:
            if wanted > there:
                yield Finding(
                    name=f"processor {configured.name}",
                    good=None,
                    detail=f"asks for {wanted} {what}, and cluster {desk.name} has {there} in all",
                    hint=f"give processors.{configured.name} less, or clusters.{desk.name}.{setting} more",
                )


def examine_pbs(desk: Desk) -> Iterator[Finding]:
    """Yield whether the server answers, and remembers jobs that have ended."""
    commands = desk.commands(PBS_COMMANDS, version="--version")
    yield commands
    if not commands.good:
        return
    answer = desk.run("qstat", "-Bf")
    if not answer.ok:
        yield desk.silent(answer)
        return
    yield desk.finding(CONTROLLER, True, "the PBS server answers")
    yield judge_history(desk, answer.stdout)


def judge_history(desk: Desk, server: str) -> Finding:
    """Say whether the server remembers ended jobs: job_history_enable of PBS, keep_completed of Torque."""
    kept = re.search(r"job_history_enable = True|keep_completed = [1-9]", server)
    hint = (
        ""
        if kept
        else (
            "qmgr -c 'set server job_history_enable = True' (Torque: keep_completed = 600): without it, a job"
            " that leaves no exit record stays unknown"
        )
    )
    detail = "the server remembers ended jobs" if kept else "the server forgets jobs as soon as they end"
    return desk.finding("accounting", None if hint else True, detail, hint)


def examine_lsf(desk: Desk) -> Iterator[Finding]:
    """Yield whether the batch daemon answers."""
    commands = desk.commands(LSF_COMMANDS, version="-V")
    yield commands
    if not commands.good:
        return
    answer = desk.run("bqueues")
    yield desk.finding(CONTROLLER, True, "mbatchd answers") if answer.ok else desk.silent(answer)


def examine_library(desk: Desk) -> Iterator[Finding]:
    """Yield whether the DRMAA library can be loaded and opens a session, in its process."""
    cluster = cast("DrmaaCluster", desk.cluster)
    try:
        yield desk.finding(LIBRARY, True, cluster.library.implementation())
    except ClusterError as error:
        yield desk.finding(LIBRARY, False, error.message, error.hint or hint_for(error.message, desk.name))
