"""What a job used, from its witnesses, and as the fields of its assessor. Pure.

The exit record is believed first, since the runner measured the command itself; what it lacks, or all of it
where there is none, comes from the cluster's accounting. What nobody measured is None, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cci.cluster.base import Accounting
from cci.daemon.jobdir import ExitRecord

#: The data types of assessors have no field for CPU time; it is a custom variable, which every type has.
CPU_FIELD = "fields/field[name=cputimeused]/field"
#: The largest whole number that the archive's data types take.
MOST = 2.0**31 - 1


def use_of(record: ExitRecord | None, books: Accounting | None) -> dict[str, Any]:
    """Return what a job used, as the ledger keeps it; {} if nothing tells.

    Returns
    -------
    dict
        ``wall_s`` and ``cpu_s`` in seconds, ``peak_memory_mb`` in MB (2**20 bytes), ``node``, ``started`` and
        ``ended`` in ISO 8601, ``exit_status``, ``signal``; None where nobody knows it.
    """
    if record is None and books is None:
        return {}
    told, booked = _recorded(record), _booked(books)
    end = told if record is not None else booked
    known = {name: booked.get(name) if told.get(name) is None else told[name] for name in end}
    return {**known, "exit_status": end["exit_status"], "signal": end["signal"]}


def _recorded(record: ExitRecord | None) -> dict[str, Any]:
    if record is None:
        return {}
    return {
        "wall_s": record.wall_s,
        "cpu_s": record.cpu_s,
        "peak_memory_mb": record.peak_memory_mb or None,
        "node": record.node or None,
        "started": _iso(record.started),
        "ended": _iso(record.ended),
        "exit_status": record.exit_status,
        "signal": record.signal,
    }


def _booked(books: Accounting | None) -> dict[str, Any]:
    if books is None:
        return {}
    return {
        "wall_s": _span_s(books),
        "cpu_s": books.cpu_s,
        "peak_memory_mb": books.peak_memory_mb,
        "node": books.node or None,
        "started": _iso(books.started),
        "ended": _iso(books.ended),
        "exit_status": books.exit_status,
        "signal": books.signal,
    }


def _span_s(books: Accounting) -> float | None:
    """Return how long a job ran by its books; None if they do not say, or a clock was set back meanwhile."""
    if books.started is None or books.ended is None or books.ended < books.started:
        return None
    return (books.ended - books.started).total_seconds()


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def use_fields(use: Mapping[str, Any]) -> dict[str, str]:
    """Return what an attempt used as assessor fields; *use* is as `use_of` gives it.

    What is not known is '', so that nothing of an earlier attempt stays; only the day on which the job
    started is then left as it was at its submission. The names and forms are those of ``proc:genProcData``:
    ``walltimeused`` is HH:MM:SS, ``memusedmb`` a whole number, ``jobstartdate`` a day, in UTC.
    """
    memory_mb = _amount(use.get("peak_memory_mb"))
    fields = {
        "walltimeused": _clock(_amount(use.get("wall_s"))),
        "memused": "" if memory_mb is None else f"{memory_mb:.0f}MB",
        "memusedmb": "" if memory_mb is None else f"{memory_mb:.0f}",
        "jobnode": str(use.get("node") or ""),
        CPU_FIELD: _clock(_amount(use.get("cpu_s"))),
    }
    started = _day(use.get("started"))
    return {**fields, "jobstartdate": started} if started else fields


def _amount(value: object) -> float | None:
    """Return an amount that the archive takes: what a node wrote is data."""
    return None if value is None else min(max(float(str(value)), 0.0), MOST)


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest:02d}"


def _day(moment: object) -> str:
    """Return the day of a moment, '' if it is none that can be told in UTC."""
    try:
        return datetime.fromisoformat(str(moment)).astimezone(UTC).date().isoformat()
    except (OverflowError, ValueError):
        return ""
