#!/usr/bin/env python3
"""Stand-ins for PBS and LSF: their commands' words and forms, over the local cluster of this machine.

There is no PBS and no LSF to be had. What these prove is that the back-ends say the right things in the
right order to something that runs real jobs; that the real systems print just so is not proved by them.
This file is each of the commands, by the name that it is called with; `make_commands` writes them.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cci.cluster.base import Accounting, JobRef, JobSpec, JobState
from cci.cluster.local import LocalCluster
from cci.cluster.local_spool import Spool
from cci.errors import ClusterError, SubmissionRefused

COMMANDS = {
    "pbs": ("qsub", "qstat", "qselect", "qdel", "qhold", "qrls", "qsig"),
    "lsf": ("bsub", "bjobs", "bhist", "bkill", "bstop", "bresume"),
}
#: Where the jobs are, how many slots there are, and how much memory in MB.
SPOOL, SLOTS, MEMORY = "STAND_IN_SPOOL", "STAND_IN_SLOTS", "STAND_IN_MEMORY_MB"
_UNKNOWN_STATUS = 153


def make_commands(folder: Path, system: str) -> Path:
    """Write the commands of a system into a folder."""
    folder.mkdir(parents=True)
    for name in COMMANDS[system]:
        script = folder / name
        words = shlex.join([sys.executable, "-P", __file__, name])
        script.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
        script.chmod(0o700)
    return folder


def cluster() -> LocalCluster:
    """Open the local cluster that the environment names."""
    return LocalCluster(
        "stand-in",
        Path(os.environ[SPOOL]),
        slots=int(os.environ[SLOTS]),
        memory_mb=int(os.environ[MEMORY]),
        grace_s=5.0,
    )


def header(script: str, prefix: str) -> dict[str, list[str]]:
    """Return the options in a script's header, each with all its values."""
    found: dict[str, list[str]] = {}
    lines = (line for line in script.splitlines() if line.startswith(f"{prefix} "))
    for line in lines:
        name, *values = shlex.split(line.removeprefix(prefix))
        found.setdefault(name, []).append(" ".join(values))
    return found


def number(pattern: str, text: str, default: int) -> int:
    """Return the number that a pattern finds."""
    found = re.search(pattern, text)
    return int(found[1]) if found else default


def number_of(job: JobRef) -> str:
    """Return the number that stands for a job here."""
    return job.id.partition("-")[0]


def job_of(number: str) -> JobRef | None:
    """Return the job of a number, with its name; None if there is none."""
    spool = Path(os.environ[SPOOL])
    for folder in Spool(spool).every() if spool.exists() else ():
        if number_of(JobRef(folder.job_id)) == number:
            return JobRef(folder.job_id, str(folder.read("spec.json")["name"]))
    return None


def fail(status: int, *lines: str) -> int:
    """Complain."""
    for line in lines:
        print(line, file=sys.stderr)
    return status


def known(numbers: Sequence[str]) -> Iterator[tuple[JobRef, JobState, Accounting | None]]:
    """Yield the jobs of these numbers that there are, with state and books."""
    local = cluster()
    jobs = [job for job in map(job_of, numbers) if job is not None]
    for job, report in local.states(jobs).items() if jobs else ():
        yield job, report.state, local.accounting(job)


def submit(script: Path, name: str, log: str, *, cores: int, memory_mb: int, walltime_s: int) -> str:
    """Submit a script to the local cluster and return the job's id."""
    job = JobSpec(
        name=name,
        directory=Path("/"),
        script=script,
        output_log=Path(log),
        walltime_s=walltime_s,
        memory_mb=memory_mb,
        cores=cores,
    )
    return number_of(cluster().submit(job))


def keep(script: str, variable: str) -> Path:
    """Keep a copy of a script, as a batch system does, with the variable that names its job."""
    first, _, rest = script.partition("\n")
    script = f'{first}\nexport {variable}="${{CCI_JOB_ID%%-*}}"\n{rest}'
    path = Path(os.environ[SPOOL], f"script-{secrets.token_hex(8)}")
    path.parent.mkdir(exist_ok=True)
    path.write_text(script, encoding="utf-8")
    path.chmod(0o700)
    return path


# -- PBS --------------------------------------------------------------------------------------

PBS_STATES = {
    JobState.QUEUED: "Q",
    JobState.RUNNING: "R",
    JobState.HELD: "H",
    JobState.SUSPENDED: "S",
    JobState.ENDED: "F",
}


def qsub(words: list[str]) -> int:
    """``qsub -N name script``; the command line wins over the header."""
    name, path = words[words.index("-N") + 1], Path(words[-1])
    script = path.read_text(encoding="utf-8")
    asked = header(script, "#PBS")
    resources = " ".join(asked.get("-l", []))
    hours, minutes, seconds = map(int, re.findall(r"walltime=(\d+):(\d+):(\d+)", resources)[0])
    try:
        job_id = submit(
            keep(script, "PBS_JOBID"),
            name,
            asked["-o"][-1],
            cores=number(r"ncpus=(\d+)", resources, 1),
            memory_mb=number(r"mem=(\d+)mb", resources, 1),
            walltime_s=hours * 3600 + minutes * 60 + seconds,
        )
    except SubmissionRefused:
        return fail(188, "qsub: Job violates queue and/or server resource limits")
    print(job_id)
    return 0


def qstat(words: list[str]) -> int:
    """``qstat -x -f id…``."""
    ids = [word for word in words if not word.startswith("-")]
    found = []
    for job, state, books in known(ids):
        found.append(number_of(job))
        print(f"Job Id: {found[-1]}\n    Job_Name = {job.name}\n    job_state = {PBS_STATES[state]}")
        print("    exec_host = here/0")
        if state is JobState.ENDED and books is not None:
            print("\n".join(pbs_end(books)))
        print()
    missing = [f"qstat: Unknown Job Id {one}" for one in ids if one not in found]
    return fail(_UNKNOWN_STATUS, *missing) if missing else 0


def pbs_end(books: Accounting) -> Iterator[str]:
    """Say how a job ended."""
    if books.started is None:
        yield "    substate = 91"
        return
    yield f"    stime = {books.started:%a %b %d %H:%M:%S %Y}"
    status = 256 + books.signal if books.signal else books.exit_status
    yield f"    Exit_status = {status}"
    if books.ended is not None:
        yield f"    history_timestamp = {int(books.ended.timestamp()) + 1}"


def qselect(words: list[str]) -> int:
    """``qselect -x -N name``."""
    found = cluster().find(words[words.index("-N") + 1])
    if found is not None:
        print(number_of(found))
    return 0


def pbs_control(act: Callable[[LocalCluster, JobRef], None]) -> Callable[[list[str]], int]:
    """Make a command that does something to the job named last."""

    def run(words: list[str]) -> int:
        for job, state, _ in known(words[-1:]):
            if state is JobState.ENDED:
                return fail(35, f"qdel: Job has finished {words[-1]}")
            act(cluster(), job)
            return 0
        return fail(_UNKNOWN_STATUS, f"qdel: Unknown Job Id {words[-1]}")

    return run


def qsig(words: list[str]) -> int:
    """``qsig -s suspend|resume id``."""
    act = LocalCluster.suspend if words[1] == "suspend" else LocalCluster.resume
    return pbs_control(act)(words)


# -- LSF --------------------------------------------------------------------------------------

LSF_STATES = {
    JobState.QUEUED: "PEND",
    JobState.RUNNING: "RUN",
    JobState.HELD: "PSUSP",
    JobState.SUSPENDED: "USUSP",
}


def bsub(words: list[str]) -> int:
    """``bsub -J name < script``."""
    script = sys.stdin.read()
    asked = header(script, "#BSUB")
    try:
        job_id = submit(
            keep(script, "LSB_JOBID"),
            words[words.index("-J") + 1],
            asked["-o"][-1],
            cores=int(asked["-n"][-1]),
            memory_mb=number(r"(\d+)MB", asked["-M"][-1], 1),
            walltime_s=int(asked["-W"][-1]) * 60,
        )
    except SubmissionRefused:
        return fail(255, "Too many processors requested. Job not submitted.")
    print(f"Job <{job_id}> is submitted to default queue <normal>.")
    return 0


def bjobs(words: list[str]) -> int:
    """``bjobs -a -json -o fields (-J name | id…)``."""
    if "-J" in words:
        found = cluster().find(words[words.index("-J") + 1])
        if found is None:
            return fail(255, f"Job <{words[-1]}> is not found")
        ids = [number_of(found)]
    else:
        ids = words[words.index("-o") + 2 :]
    records = {number_of(job): lsf_record(job, state, books) for job, state, books in known(ids)}
    lacking = {one: {"JOBID": one, "ERROR": f"Job <{one}> is not found"} for one in ids if one not in records}
    print(json.dumps({"COMMAND": "bjobs", "JOBS": len(ids), "RECORDS": [*{**records, **lacking}.values()]}))
    return 255 if lacking else 0


def lsf_record(job: JobRef, state: JobState, books: Accounting | None) -> dict[str, str]:
    """Say of a job what bjobs does."""
    record = {"JOBID": number_of(job), "JOB_NAME": job.name, "EXEC_HOST": "here"}
    if state is not JobState.ENDED or books is None:
        return {**record, "STAT": LSF_STATES.get(state, "UNKWN")}
    status = 128 + books.signal if books.signal else books.exit_status
    times = {
        "START_TIME": f"{books.started:%b %d %H:%M:%S %Y}" if books.started else "-",
        "FINISH_TIME": f"{books.ended:%b %d %H:%M:%S %Y} L" if books.ended else "-",
    }
    reason = "TERM_OWNER: job killed by owner" if books.cause == "killed" else ""
    stat = "DONE" if status == 0 and not reason else "EXIT"
    code = "" if stat == "DONE" or status is None else str(status)
    return {**record, **times, "STAT": stat, "EXIT_CODE": code, "EXIT_REASON": reason}


def bhist(words: list[str]) -> int:
    """Know nothing that bjobs has forgotten."""
    return fail(255, f"No matching job found: {words[-1]}")


def bkill(words: list[str]) -> int:
    """``bkill id``."""
    return lsf_control(words, LocalCluster.kill)


def bstop(words: list[str]) -> int:
    """``bstop id``: a job that waits is held, one that runs is suspended."""
    return lsf_control(words, by_state(LocalCluster.hold, LocalCluster.suspend))


def bresume(words: list[str]) -> int:
    """``bresume id``."""
    return lsf_control(words, by_state(LocalCluster.release, LocalCluster.resume))


Act = Callable[[LocalCluster, JobRef], None]


def by_state(waiting: Act, running: Act) -> Act:
    """Choose by whether the job waits."""

    def act(local: LocalCluster, job: JobRef) -> None:
        waits = local.states([job])[job].state in {JobState.QUEUED, JobState.HELD}
        (waiting if waits else running)(local, job)

    return act


def lsf_control(words: list[str], act: Act) -> int:
    """Do something to the job named last."""
    for job, state, _ in known(words[-1:]):
        if state is JobState.ENDED:
            return fail(255, f"Job <{words[-1]}>: Job has already finished")
        act(cluster(), job)
        return 0
    return fail(255, f"Job <{words[-1]}>: No matching job found")


MAIN: dict[str, Callable[[list[str]], int]] = {
    "qsub": qsub,
    "qstat": qstat,
    "qselect": qselect,
    "qdel": pbs_control(LocalCluster.kill),
    "qhold": pbs_control(LocalCluster.hold),
    "qrls": pbs_control(LocalCluster.release),
    "qsig": qsig,
    "bsub": bsub,
    "bjobs": bjobs,
    "bhist": bhist,
    "bkill": bkill,
    "bstop": bstop,
    "bresume": bresume,
}

if __name__ == "__main__":
    try:
        sys.exit(MAIN[sys.argv[1]](sys.argv[2:]))
    except ClusterError as error:
        sys.exit(fail(1, f"{sys.argv[1]}: {error.message}"))
