"""The outbox step: bring pending writes to the archive, in order for each task, one request for each.

Writes of different tasks travel side by side, as many as the archive may be asked at once; of one task there
is only one. An outage keeps a write for later; it never changes what the write says.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import structlog

from cci.daemon import holder as holders
from cci.daemon import ownership
from cci.daemon.ledger import TaskEntry, Write
from cci.daemon.places import place_of, project_resource
from cci.daemon.workplace import Workplace
from cci.errors import CciError
from cci.xnat import uris

log = structlog.get_logger()

#: How many writes are taken, and noted as accepted, by one transaction of the ledger each.
BATCH = 50


@dataclass(frozen=True, kw_only=True)
class Posted:
    """What one round of the outbox did."""

    sent: int = 0
    failed: int = 0


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """What became of one write: accepted under an id, failed, or neither, where it was not tried."""

    write: Write
    assessor_id: str | None = None
    error: Exception | None = None


def post_all(workplace: Workplace) -> Posted:
    """Try every write that is due; after a transient failure the rest waits, for the archive is away."""
    sent = failed = 0
    enough = threading.Event()
    with holders.holding() as holder, _pool(workplace) as pool:
        for batch in _batches(workplace.ledger.due_writes(workplace.url)):
            if enough.is_set() or workplace.stopping.is_set():
                break
            writes = workplace.ledger.take_writes(batch, holder)
            outcomes = list(pool.map(partial(_try, workplace, enough), writes))
            _note(workplace, outcomes)
            sent += sum(one.assessor_id is not None for one in outcomes)
            failed += sum(one.error is not None for one in outcomes)
    return Posted(sent=sent, failed=failed)


def _pool(workplace: Workplace) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workplace.settings.archive.max_concurrent, thread_name_prefix="post")


def _batches(task_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(task_ids), BATCH):
        yield task_ids[start : start + BATCH]


def post(workplace: Workplace, task_id: int) -> CciError | None:
    """Send a task's pending write, if there is one; return the error that kept it from being accepted."""
    with holders.holding() as holder:
        writes = workplace.ledger.take_writes([task_id], holder)
        outcomes = [_try(workplace, threading.Event(), write) for write in writes]
        _note(workplace, outcomes)
    error = next((one.error for one in outcomes), None)
    if error is not None and not isinstance(error, CciError):
        raise error
    return error


def _try(workplace: Workplace, enough: threading.Event, write: Write) -> _Outcome:
    """Send one write, unless it is *enough*; whatever goes wrong with it stops no other by itself."""
    if enough.is_set() or workplace.stopping.is_set():
        return _Outcome(write=write)
    try:
        ownership.demand(workplace, write.task.project)
        return _Outcome(write=write, assessor_id=_send(workplace, write))
    except Exception as error:  # noqa: BLE001 (it is logged whole, and the write is kept)
        if isinstance(error, CciError) and error.transient:
            enough.set()
        return _Outcome(write=write, error=error)


def _note(workplace: Workplace, outcomes: Sequence[_Outcome]) -> None:
    """Write down what the archive has accepted and what not, and give back what was not tried."""
    accepted = [(one.write, one.assessor_id) for one in outcomes if one.assessor_id is not None]
    if accepted:
        workplace.ledger.acknowledge_all(accepted)
    for write, _ in accepted:
        status = write.fields.get("procstatus", "")
        log.info("written to the archive", action="post", task=write.task.label, status=status)
    for one in outcomes:
        if one.error is not None:
            _put_off(workplace, one.write, one.error)
    untried = [one.write for one in outcomes if one.assessor_id is None and one.error is None]
    if untried:
        workplace.ledger.let_go(untried)


def _put_off(workplace: Workplace, write: Write, error: Exception) -> None:
    message = error.message if isinstance(error, CciError) else f"{type(error).__name__}: {error}"
    unexpected = None if isinstance(error, CciError) else error
    workplace.ledger.write_failed(write, message, workplace.later(write.tries))
    log.warning(
        "write put off",
        action="post",
        task=write.task.label,
        error=message,
        tries=write.tries + 1,
        exc_info=unexpected,
    )


def _send(workplace: Workplace, write: Write) -> str:
    if write.task.level == "project":
        return _send_project_task(workplace, write)
    place = place_of(write.task)
    assessor_id = workplace.archive.put_assessor(place.uri, place.xsi_type, write.fields)
    if write.task.assessor_id and assessor_id != write.task.assessor_id:
        # somebody deleted the assessor, and this write made an empty one in its place: take that back, for
        # the next sweep must see that it is gone, which is a wish to run again
        log.warning("assessor was deleted", action="post", task=write.task.label)
        workplace.archive.delete(place.uri)
        return write.task.assessor_id
    return assessor_id


def _send_project_task(workplace: Workplace, write: Write) -> str:
    """Lay the fields over the project task's ``task.json``."""
    task: TaskEntry = write.task
    project, resource = uris.project(task.project), project_resource(task.key.proctype)
    present = workplace.archive.read_json(project, resource, "task.json") or {}
    content = {**present, "label": task.label, **write.fields}
    workplace.archive.write_json(project, resource, "task.json", content)
    return resource
