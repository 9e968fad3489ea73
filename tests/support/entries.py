"""Tasks as the ledger gives them back, for tests of what is decided on them. No database is asked."""

from __future__ import annotations

from typing import Any

from cci.daemon.ledger import Attempt, Stage, TaskEntry
from cci.status import Status
from cci.task import TaskKey
from support.snapshots import ARCHIVE, NOW


def an_entry(status: Status = Status.PRE_COMPLETE, **values: Any) -> TaskEntry:
    """Make a session task of processor Dti; *key* may be given, or parts of it."""
    parts = {"archive": ARCHIVE, "accession_id": "E1", "scan_id": "", "proctype": "Dti_v1"}
    changed = {name: values.pop(name) for name in tuple(values) if name in parts}
    defaults: dict[str, Any] = {
        "id": 1,
        "key": TaskKey(**{**parts, **changed}),
        "label": "P-x-S-x-E-x-Dti_v1",
        "level": "session",
        "processor": "dti",
        "project": "P",
        "subject": "subject1",
        "subject_id": "S1",
        "session": "session1",
        "assessor_id": "",
        "status": status,
        "reason": "",
        "acknowledged": None,
        "fingerprints": {},
        "blocked": "",
        "blocked_mark": "",
        "retry_at": None,
        "tries": 0,
        "revision": 1,
        "created": NOW,
        "updated": NOW,
        "attempts": 0,
        "attempt_open": False,
        "writes_pending": False,
    }
    return TaskEntry(**{**defaults, **values})


def an_attempt(**values: Any) -> Attempt:
    """Make the first attempt at a task; it is being staged."""
    defaults: dict[str, Any] = {
        "id": 1,
        "task_id": 1,
        "number": 1,
        "state": Stage.STAGING,
        "nonce": "0123456789abcdef",
        "directory": "/srv/cci/P/task/1",
        "cluster": "local",
        "job_id": "",
        "job_state": "",
        "job_message": "",
        "missing_since": None,
        "keep_old": False,
        "inputs": {},
        "outputs": {},
        "use": {},
        "cause": "",
        "tries": 0,
        "retry_at": None,
        "opened": NOW,
        "submitted": None,
        "closed": None,
    }
    return Attempt(**{**defaults, **values})
