"""Looks at a Grid Engine: its qmaster, its books, and whether it knows the resources that we ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cci.cluster.sge_reading import books_late_s
from cci.daemon.doctor_desk import CONTROLLER, Desk
from cci.daemon.findings import Finding

COMMANDS = ("qsub", "qstat", "qacct", "qdel", "qhold", "qrls", "qmod", "qconf")
#: sge_conf(5): how many event clients (each DRMAA session is one) qmaster takes, unless it is told.
MOST_CLIENTS = 1000
#: In less time, in seconds, a runner that is told of a kill cannot end its command and write its record.
_NOTICE_S = 15.0
#: Books that are later than this, in seconds, make every settlement at a restart as slow.
_LATE_S = 60.0


def examine(desk: Desk) -> Iterator[Finding]:
    """Yield what is seen of the qmaster and its configuration."""
    commands = desk.commands(COMMANDS, version="-help")
    yield commands
    if not commands.good:
        return
    clients, configuration = desk.run("qconf", "-secl"), desk.run("qconf", "-sconf")
    if not clients.ok or not configuration.ok:
        yield desk.silent(configuration if clients.ok else clients)
        return
    yield judge_clients(desk, count_clients(clients.stdout), most_clients(configuration.stdout))
    yield judge_books(desk, configuration.stdout)
    yield from judge_environments(desk, desk.run("qconf", "-spl").stdout.split())
    yield from judge_memory(desk, desk.run("qconf", "-sc").stdout)
    queues = [name.partition("@")[0] for name in desk.asked.queue.split(",") if name]
    queues = queues or desk.run("qconf", "-sql").stdout.split()
    yield from judge_notice(desk, desk.run("qconf", "-sq", ",".join(queues)).stdout)


def count_clients(printed: str) -> int:
    """Count the lines of ``qconf -secl`` that are of a client: they begin with its number."""
    return sum(bool(re.match(r"\s*\d+\s", line)) for line in printed.splitlines())


def most_clients(configuration: str) -> int:
    """Read from ``qconf -sconf`` how many event clients there may be."""
    found = re.search(r"MAX_DYN_EC=(\d+)", configuration, re.IGNORECASE)
    return int(found[1]) if found else MOST_CLIENTS


def judge_clients(desk: Desk, count: int, most: int) -> Finding:
    """Say that qmaster answers, and how many event clients it has: the scheduler and DRMAA sessions."""
    detail = f"qmaster answers, and has {count} of at most {most} event clients"
    if count <= most * 0.8:
        return desk.finding(CONTROLLER, True, detail)
    hint = (
        "when there are no more, DRMAA sessions are refused: sessions that were not closed go away by"
        " themselves after some minutes; `qconf -secl` lists them, `qconf -kec ID` ends one"
    )
    return desk.finding(CONTROLLER, None, detail, hint)


def judge_books(desk: Desk, configuration: str) -> Finding:
    """Say whether accounting is kept, and how late it is; see sge_conf(5), reporting_params."""
    if re.search(r"\baccounting=(false|0|no)\b", configuration, re.IGNORECASE):
        hint = "qconf -mconf: reporting_params accounting=true; else a lost job stays unknown"
        return desk.finding("accounting", None, "qmaster keeps no accounting", hint)
    late_s = books_late_s(configuration)
    hint = "" if late_s <= _LATE_S else "qconf -mconf: reporting_params accounting_flush_time=00:00:15"
    return desk.finding("accounting", None if hint else True, f"kept, and at most {late_s:g} s late", hint)


def judge_environments(desk: Desk, known: list[str]) -> Iterator[Finding]:
    """Say of the parallel environments that processors need whether they are there."""
    wanted = {
        "parallel_environment": (
            desk.asked.parallel_environment,
            [p for p in desk.processors if p.processor.cores > 1],
        ),
        "mpi_environment": (
            desk.asked.mpi_environment,
            [p for p in desk.processors if p.processor.mpi_slots],
        ),
    }
    for setting, (name, processors) in wanted.items():
        if processors and name not in known:
            told = ", ".join(one.name for one in processors)
            hint = f"let clusters.{desk.name}.{setting} name one of: {', '.join(known) or '(there are none)'}"
            detail = f"there is no parallel environment '{name}', which {told} needs"
            yield desk.finding("parallel environment", False, detail, hint)


def judge_memory(desk: Desk, complexes: str) -> Iterator[Finding]:
    """Say whether memory is asked for by a resource that there is, and that is counted; see complex(5)."""
    wanted = desk.asked.memory_resource
    if not wanted:
        return
    rows = [line.split() for line in complexes.splitlines() if line and not line.startswith("#")]
    row = next((row for row in rows if len(row) >= 6 and wanted in row[:2]), None)
    if row is None:
        hint = f"let clusters.{desk.name}.memory_resource name one of `qconf -sc`, or '' to ask for none"
        yield desk.finding("memory", False, f"there is no resource '{wanted}'", hint)
    elif row[5] == "NO":
        detail = f"asked by {wanted}, which is compared with what is free and not counted"
        hint = f"if nodes run out of memory: make it a consumable, with {wanted} in hosts' complex_values"
        yield desk.finding("memory", True, detail, hint)
    else:
        per = "job" if row[5] == "JOB" else "slot"
        yield desk.finding("memory", True, f"asked by {wanted}, and counted for each {per}")


def judge_notice(desk: Desk, queues: str) -> Iterator[Finding]:
    """Say of queues that kill jobs too soon after they have told them; see queue_conf(5), notify."""
    name, joined = "", re.sub(r"\\\s*\n\s*", "", queues)
    for line in joined.splitlines():
        key, _, value = line.partition(" ")
        if key == "qname":
            name = value.strip()
        shortest_s = min(map(_seconds, re.findall(r"\d+:\d+:\d+", value)), default=_NOTICE_S)
        if key == "notify" and shortest_s < _NOTICE_S:
            detail = f"{name} kills a job {shortest_s:g} s after it is told, so that no exit record is left"
            hint = f"qconf -mq {name}: notify 00:01:00"
            yield desk.finding("queue", None, detail, hint)


def _seconds(clock: str) -> float:
    hours, minutes, seconds = map(int, clock.split(":"))
    return hours * 3600.0 + minutes * 60 + seconds
