"""The one step that moves a task: every row is a sentence of the specification."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest
from support.snapshots import (
    a_scan,
    a_session,
    an_assessor,
    mark,
    resources,
    target_of,
)

from cci.inputs import Scan, Selection, resolve
from cci.model import Assessor
from cci.status import QcStatus, Status, check_transition
from cci.task import HELD, Decision, Facts, Move, Record, decide

# -- decide: the first meeting ----------------------------------------------------------------------

RULE = Scan("dwi", type=["DTI"])
READY = resolve([RULE], target_of(a_session(a_scan())))
GROWN = resolve([RULE], target_of(a_session(a_scan(resources=resources("NIFTI", files=2)))))
WAITS = Selection.waiting("scan 3 (DTI) has no resource NIFTI")
SITE = "no FreeSurfer is configured"


def assessor_saying(procstatus: str, qc: str = QcStatus.JOB_PENDING, **values: str) -> Assessor:
    """Make our assessor of the task, as the archive has it."""
    return an_assessor(procstatus=procstatus, qc_status=qc, inputs=mark(), **values)


FOREIGN = an_assessor(label="DAX", inputs="", procstatus="COMPLETE")
FIRST: dict[str, tuple[Facts, Decision]] = {
    "a new task with everything there is made PRE_COMPLETE and may start": (
        Facts(selection=READY),
        Decision(move=Move.CREATE, status=Status.PRE_COMPLETE, startable=True),
    ),
    "a new task that lacks something is made PRE_RUNNING with the reason": (
        Facts(selection=WAITS),
        Decision(move=Move.CREATE, status=Status.PRE_RUNNING, reason=WAITS.reason),
    ),
    "a new task on a site that cannot run it is made PRE_RUNNING with that reason": (
        Facts(selection=READY, site_reason=SITE),
        Decision(move=Move.CREATE, status=Status.PRE_RUNNING, reason=SITE),
    ),
    "what the data lack goes before what the site lacks": (
        Facts(selection=WAITS, site_reason=SITE),
        Decision(move=Move.CREATE, status=Status.PRE_RUNNING, reason=WAITS.reason),
    ),
    "no task is made where the results are already": (
        Facts(selection=READY, superfluous="scan 3 has NIFTI already"),
        Decision(move=Move.SKIP, reason="scan 3 has NIFTI already"),
    ),
    "another system's assessor is left alone": (
        Facts(selection=READY, assessor=FOREIGN),
        Decision(move=Move.SKIP, reason="assessor DAX was made by another system"),
    ),
    "a marked assessor with another system's status is left alone": (
        Facts(selection=READY, assessor=assessor_saying("NEED_INPUTS", label="DAX")),
        Decision(move=Move.SKIP, reason="assessor DAX was made by another system"),
    ),
    **{
        f"an assessor of ours that is {status} is adopted as it is": (
            Facts(selection=WAITS, assessor=assessor_saying(status, note="a reason")),
            Decision(move=Move.ADOPT, status=status, reason="a reason"),
        )
        for status in Status
    },
}


@pytest.mark.parametrize("row", FIRST)
def test_a_task_that_the_ledger_does_not_know(row: str) -> None:
    """What exists in the archive decides; where nothing does, the task is made."""
    facts, decision = FIRST[row]
    assert decision == decide(facts)


# -- decide: known tasks ------------------------------------------------------------------------------


def known(
    status: Status,
    *,
    selection: Selection = READY,
    says: str | None = None,
    qc: str = QcStatus.JOB_PENDING,
    site: str = "",
    superfluous: str = "",
    **record: object,
) -> Facts:
    """Return the facts of a task in *status*; *says* is the archive's status if it is not ours."""
    defaults = {"status": status, "acknowledged": status}
    return Facts(
        selection=selection,
        site_reason=site,
        superfluous=superfluous,
        record=Record(**{**defaults, **record}),  # type: ignore[arg-type]  # a table of field values
        assessor=None if says == "gone" else assessor_saying(says if says is not None else status, qc),
    )


def write(status: Status, reason: str = "", *, startable: bool = False) -> Decision:
    """Return the decision to write this status."""
    return Decision(move=Move.WRITE, status=status, reason=reason, startable=startable)


def redo(status: Status, reason: str, *, startable: bool = False) -> Decision:
    """Return the decision to begin anew."""
    return Decision(move=Move.REDO, status=status, reason=reason, startable=startable)


NOTHING = Decision(move=Move.NOTHING)
START = Decision(move=Move.START, startable=True)
RUN = {"dwi/NIFTI": "3:1/10"}

WAITING: dict[str, tuple[Facts, Decision]] = {
    "PRE_RUNNING with everything there becomes PRE_COMPLETE and may start": (
        known(Status.PRE_RUNNING, reason="x"),
        write(Status.PRE_COMPLETE, startable=True),
    ),
    "PRE_RUNNING with the same reason stays": (
        known(Status.PRE_RUNNING, selection=WAITS, reason=WAITS.reason),
        NOTHING,
    ),
    "PRE_RUNNING with another reason is given it": (
        known(Status.PRE_RUNNING, selection=WAITS, reason="x"),
        write(Status.PRE_RUNNING, WAITS.reason),
    ),
    "PRE_COMPLETE starts": (known(Status.PRE_COMPLETE), START),
    "PRE_COMPLETE that lost an input waits again": (
        known(Status.PRE_COMPLETE, selection=WAITS),
        write(Status.PRE_RUNNING, WAITS.reason),
    ),
    "PRE_COMPLETE on a site that cannot run it any more waits": (
        known(Status.PRE_COMPLETE, site=SITE),
        write(Status.PRE_RUNNING, SITE),
    ),
    "what staging found missing keeps a task waiting": (
        known(Status.PRE_RUNNING, blocked="scan 3 has an empty resource", reason="x"),
        write(Status.PRE_RUNNING, "scan 3 has an empty resource"),
    ),
    "PRE_COMPLETE with an open attempt is left to it": (
        known(Status.PRE_COMPLETE, attempt_open=True),
        NOTHING,
    ),
    "PRE_COMPLETE with an open attempt is left to it, though an input went": (
        known(Status.PRE_COMPLETE, attempt_open=True, selection=WAITS),
        NOTHING,
    ),
    "PRE_COMPLETE starts while its first write is on the way": (
        known(Status.PRE_COMPLETE, says="gone", writes_pending=True, acknowledged=None),
        START,
    ),
    "Do Not Run holds a task that could start": (
        known(Status.PRE_COMPLETE, qc=QcStatus.DO_NOT_RUN),
        write(Status.PRE_COMPLETE, HELD),
    ),
    "a held task stays held": (known(Status.PRE_COMPLETE, qc=QcStatus.DO_NOT_RUN, reason=HELD), NOTHING),
    "a hold that the archive has not heard of yet is obeyed": (
        known(Status.PRE_COMPLETE, reason=HELD, writes_pending=True),
        NOTHING,
    ),
    "a held task that becomes ready is PRE_COMPLETE and held": (
        known(Status.PRE_RUNNING, qc=QcStatus.DO_NOT_RUN, reason="x"),
        write(Status.PRE_COMPLETE, HELD),
    ),
    "a lifted hold lets the task start": (
        known(Status.PRE_COMPLETE, reason=HELD),
        write(Status.PRE_COMPLETE, startable=True),
    ),
    "a task whose results a person has brought meanwhile does not run over them": (
        known(Status.PRE_COMPLETE, superfluous="scan 3 has NIFTI already"),
        write(Status.PRE_RUNNING, "scan 3 has NIFTI already"),
    ),
    "a task that has run before is not stopped by its own results": (
        known(Status.PRE_COMPLETE, superfluous="scan 3 has NIFTI already", attempts=1),
        START,
    ),
    "an adopted task that has run before is not stopped by its own results": (
        known(Status.PRE_COMPLETE, superfluous="scan 3 has NIFTI already", fingerprints=RUN),
        START,
    ),
}

RUNNING: dict[str, tuple[Facts, Decision]] = {
    "a running job is left to its evidence": (known(Status.JOB_RUNNING, attempt_open=True), NOTHING),
    "a running job goes on though its input went": (
        known(Status.JOB_RUNNING, attempt_open=True, selection=WAITS),
        NOTHING,
    ),
    "a running job goes on though it is held": (
        known(Status.JOB_RUNNING, attempt_open=True, qc=QcStatus.DO_NOT_RUN),
        NOTHING,
    ),
    "results under way are left to collection": (known(Status.JOB_COMPLETE, attempt_open=True), NOTHING),
    **{
        f"{status} stays until a person wishes otherwise": (known(status), NOTHING)
        for status in Status
        if status.final
    },
    **{
        f"{status} stays though an input went": (known(status, selection=WAITS), NOTHING)
        for status in Status
        if status.final
    },
    "COMPLETE with changed inputs is outdated, and runs again only when asked": (
        known(Status.COMPLETE, selection=GROWN, fingerprints=RUN),
        write(Status.COMPLETE, "outdated: dwi/NIFTI changed since"),
    ),
    "an outdated task is told once": (
        known(Status.COMPLETE, selection=GROWN, fingerprints=RUN, reason="outdated: dwi/NIFTI changed since"),
        NOTHING,
    ),
    "COMPLETE whose inputs are as they were is no longer outdated": (
        known(Status.COMPLETE, fingerprints=RUN, reason="outdated: dwi/NIFTI changed since"),
        write(Status.COMPLETE),
    ),
    "inputs that the task never had do not make it outdated": (
        known(Status.COMPLETE, fingerprints={"other/NIFTI": "1:1/1"}),
        NOTHING,
    ),
    "a failure is not outdated": (
        known(Status.JOB_ERROR, selection=GROWN, fingerprints=RUN, reason="r"),
        NOTHING,
    ),
}

WISHES: dict[str, tuple[Facts, Decision]] = {
    **{
        f"Rerun of a task that is {status} begins it anew": (
            known(status, qc=QcStatus.RERUN),
            redo(Status.PRE_COMPLETE, "Rerun was wished", startable=True),
        )
        for status in Status
        if status is not Status.JOB_COMPLETE
    },
    "Reproc keeps the old results": (
        known(Status.COMPLETE, qc=QcStatus.REPROC),
        redo(Status.PRE_COMPLETE, "Reproc was wished", startable=True),
    ),
    "a wish that arrives while results are stored waits for the end": (
        known(Status.JOB_COMPLETE, qc=QcStatus.RERUN, attempt_open=True),
        NOTHING,
    ),
    "a wish for results that the archive refuses for good is obeyed": (
        known(Status.JOB_COMPLETE, reason="refused", qc=QcStatus.RERUN, attempt_open=True),
        redo(Status.PRE_COMPLETE, "Rerun was wished", startable=True),
    ),
    "a wish that cannot start leaves old results alone": (
        known(Status.COMPLETE, qc=QcStatus.RERUN, selection=WAITS),
        Decision(move=Move.NOTHING, reason=f"Rerun is wished, but {WAITS.reason}"),
    ),
    "a wish while a job runs ends it, though an input went": (
        known(Status.JOB_RUNNING, qc=QcStatus.RERUN, selection=WAITS, attempt_open=True),
        redo(Status.PRE_RUNNING, "Rerun was wished"),
    ),
    "a wish is not obeyed again while its answer is on the way": (
        known(Status.PRE_COMPLETE, qc=QcStatus.RERUN, writes_pending=True),
        START,
    ),
    "an assessor that was deleted is a wish to run again": (
        known(Status.COMPLETE, says="gone"),
        redo(Status.PRE_COMPLETE, "its assessor was deleted"),
    ),
    "an assessor that was deleted while its job ran too": (
        known(Status.JOB_RUNNING, says="gone", attempt_open=True),
        redo(Status.PRE_COMPLETE, "its assessor was deleted"),
    ),
    "an assessor that was deleted while something is missing waits for it": (
        known(Status.JOB_COMPLETE, says="gone", selection=WAITS),
        redo(Status.PRE_RUNNING, "its assessor was deleted"),
    ),
    "an assessor that is not made yet was not deleted": (
        known(Status.PRE_RUNNING, says="gone", selection=WAITS, reason=WAITS.reason, acknowledged=None),
        NOTHING,
    ),
    "a status that somebody else wrote is written again": (
        known(Status.COMPLETE, says="JOB_ERROR"),
        Decision(move=Move.RESTORE, status=Status.COMPLETE, reason="the archive says JOB_ERROR"),
    ),
    "a status that somebody else emptied is written again": (
        known(Status.JOB_RUNNING, says="", attempt_open=True),
        Decision(move=Move.RESTORE, status=Status.JOB_RUNNING, reason="the archive says nothing"),
    ),
    "a status that was taken for what it is no more is written again": (
        known(Status.COMPLETE, says="JOB_RUNNING", acknowledged=Status.JOB_RUNNING),
        Decision(move=Move.RESTORE, status=Status.COMPLETE, reason="the archive says JOB_RUNNING"),
    ),
    "a difference is no news while our own write is on the way": (
        known(Status.COMPLETE, says="JOB_COMPLETE", acknowledged=Status.JOB_COMPLETE, writes_pending=True),
        NOTHING,
    ),
    "a status that somebody else wrote is settled before a wish": (
        known(Status.COMPLETE, says="JOB_ERROR", qc=QcStatus.RERUN),
        Decision(move=Move.RESTORE, status=Status.COMPLETE, reason="the archive says JOB_ERROR"),
    ),
}

TABLE = {**WAITING, **RUNNING, **WISHES}


@pytest.mark.parametrize("row", TABLE)
def test_a_task_that_the_ledger_knows(row: str) -> None:
    """First what exists in the archive, then what people wish, then the task's own way."""
    facts, decision = TABLE[row]
    assert decision == decide(facts)


# -- decide: what holds everywhere --------------------------------------------------------------------


def everything() -> Iterator[Facts]:
    """Yield every combination of what a decision about a known task looks at."""
    for status, acknowledged, there, qc in product(
        Status, (None, Status.JOB_RUNNING, Status.COMPLETE), ("gone", *Status, "READY"), ("", *QcStatus)
    ):
        for selection, site, blocked, pending, still_open in product(
            (READY, WAITS), ("", SITE), ("", "empty"), (False, True), (False, True)
        ):
            yield known(
                status,
                selection=selection,
                says=there,
                qc=qc,
                site=site,
                acknowledged=acknowledged,
                blocked=blocked,
                writes_pending=pending,
                attempt_open=still_open,
            )


def _broken_rules(facts: Facts, decision: Decision) -> Iterator[str]:
    """Yield each general rule that a decision breaks."""
    record = facts.record
    assert record is not None
    if decision.status is not None and decision.move is not Move.RESTORE:
        check_transition(record.status, decision.status)
    prepared = facts.selection.ready and not facts.site_reason
    if decision.startable and not prepared:
        yield "starts without its prerequisites"
    if decision.startable and facts.assessor and facts.assessor.qc_status == QcStatus.DO_NOT_RUN:
        yield "starts though it is held"
    if decision.move in {Move.REDO, Move.RESTORE} and record.writes_pending:
        yield "judges the archive while a write is on the way"
    if record.status.final and decision.move not in {Move.REDO, Move.RESTORE, Move.NOTHING, Move.WRITE}:
        yield "leaves a final status without a wish"
    if record.status.final and decision.move is Move.WRITE and decision.status is not record.status:
        yield "changes a final status without a wish"
    if record.attempt_open and decision.move in {Move.START, Move.CREATE, Move.ADOPT}:
        yield "starts a second attempt"
    if decision.move in {Move.CREATE, Move.ADOPT, Move.SKIP}:
        yield "takes a known task for a new one"


def test_every_combination_keeps_the_rules() -> None:
    """Whatever meets, no decision breaks the table of statuses, starts unprepared, or forgets a hold."""
    broken = {rule for facts in everything() for rule in _broken_rules(facts, decide(facts))}
    assert set() == broken


def test_a_selection_is_not_changed_by_deciding() -> None:
    """Deciding is pure: the same facts give the same decision."""
    facts = known(Status.PRE_COMPLETE)
    assert decide(facts) == decide(replace(facts))
