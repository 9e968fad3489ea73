"""What the trial jobs of a cluster prove: one finding for each thing that must work. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from cci.cluster.base import JobState
from cci.daemon.doctor_hints import hint_for
from cci.daemon.doctor_trials import HOLDS, Proofs, Seen
from cci.daemon.findings import Finding

_WAITS = frozenset({JobState.QUEUED, JobState.HELD})
_NODE = "does the node see the work directory, and the interpreter named as runner_python?"
_SLOW = "either there was no place for all, or the cluster tells states late; --patience SECONDS waits longer"
_BOOKS = (
    "without books, a job that leaves no exit record stays unknown until a person decides; let the cluster"
    " keep accounting that this host can read"
)


def judge(proofs: Proofs, name: str, *, uid: int) -> Iterator[Finding]:
    """Yield the findings, each told once: of a cluster that takes no job, or runs none, only that.

    Parameters
    ----------
    name
        How the settings call the cluster.
    uid
        The user who asks; jobs must run as the same, for their files must be ours.
    """
    first = _submitted(proofs, name)
    yield first
    if first.good is not True:
        return
    yield _status(proofs, name)
    yield _node(proofs, name, uid)
    yield _exit_code(proofs, name)
    yield _hold(proofs, name)
    yield _attach(proofs, name)
    yield _kill(proofs, name)


def _finding(name: str, what: str, good: bool | None, detail: str, hint: str = "") -> Finding:
    return Finding(name=f"cluster {name}: {what}", good=good, detail=detail, hint=hint)


def _submitted(proofs: Proofs, name: str) -> Finding:
    seen = proofs.shown
    if seen.error is not None:
        hint = hint_for(seen.error.message, name) or seen.error.hint
        return _finding(name, "submit", False, seen.error.message, hint)
    if seen.record is None:
        return _without_record(proofs, seen, name)
    if seen.record.exit_status != 0:
        how = seen.record.error_message or seen.record.cause or f"exit status {seen.record.exit_status}"
        return _finding(name, "submit", False, f"a trial job failed on {_where(seen)}: {how}", _NODE)
    return _finding(name, "submit", True, f"a trial job ran on {_where(seen)} and ended well")


def _without_record(proofs: Proofs, seen: Seen, name: str) -> Finding:
    said = f": {seen.message}" if seen.message else ""
    if seen.books is not None or JobState.ENDED in seen.states:
        books = seen.books
        how = (books and (books.message or books.cause)) or (
            f"exit status {books.exit_status}" if books and books.exit_status is not None else ""
        )
        detail = f"a trial job ended on {_where(seen)} and left no exit record" + (
            f": {how}" if how else said
        )
        return _finding(name, "submit", False, detail, hint_for(detail, name) or _NODE)
    state = seen.states[-1] if seen.states else JobState.UNKNOWN
    detail = f"a trial job was {state} for {proofs.patience_s:.0f} s{said}, and was taken back"
    if state in _WAITS:
        known = hint_for(seen.message, name)
        wait = "other jobs have all places now; --patience SECONDS waits longer"
        return _finding(name, "submit", False if known else None, detail, known or wait)
    return _finding(name, "submit", False, detail, "look at the cluster with its own commands")


def _where(seen: Seen) -> str:
    told = (seen.record and seen.record.node) or (seen.books and seen.books.node) or seen.node
    return told or "a node"


def _status(proofs: Proofs, name: str) -> Finding:
    every = (proofs.shown, proofs.three, proofs.held, proofs.killed)
    states = dict.fromkeys(state for seen in every for state in seen.states)
    if not states:
        detail = "jobs run, and the cluster tells nothing of them"
        return _finding(name, "status", False, detail, "look at its status command, as this user")
    told = ", ".join(states)
    if JobState.RUNNING not in states:
        return _finding(name, "status", None, f"jobs were seen {told}, and never running", _SLOW)
    return _finding(name, "status", True, f"jobs were seen {told}")


def _node(proofs: Proofs, name: str, uid: int) -> Finding:
    lines = proofs.node_lines
    if len(lines) < 3:
        hint = "its files come late, or go elsewhere: is work_dir the same disk there and here?"
        return _finding(name, "work directory", False, "what a job wrote on the node is not seen here", hint)
    its_uid, node, word = lines[:3]
    if word != proofs.word:
        detail = f"{node} reads another file than this host wrote"
        hint = "work_dir must lead to the same disk there and here"
        return _finding(name, "work directory", False, detail, hint)
    if its_uid != str(uid):
        detail = f"jobs run as user {its_uid} on {node}, and this is user {uid}"
        hint = "the user must have the same number on every host, for files in work_dir belong to numbers"
        return _finding(name, "work directory", False, detail, hint)
    return _finding(name, "work directory", True, f"{node} reads and writes it, as user {its_uid}")


def _exit_code(proofs: Proofs, name: str) -> Finding:
    seen = proofs.three
    if seen.record is None:
        return _not_proved(proofs, seen, name, "exit code")
    if seen.record.exit_status != 3:
        detail = f"a job that exited 3 has {seen.record.exit_status} in its exit record"
        return _finding(name, "exit code", False, detail, _NODE)
    if seen.books is None:
        detail = "a job that exited 3 has it in its exit record, and is in no accounting"
        return _finding(name, "exit code", None, detail, _BOOKS)
    if seen.books.exit_status != 3:
        detail = f"a job that exited 3 has {seen.books.exit_status} in the cluster's accounting"
        return _finding(name, "exit code", False, detail, "jobs without an exit record would be misjudged")
    return _finding(
        name, "exit code", True, "a job that exited 3 has it in its exit record and in accounting"
    )


def _hold(proofs: Proofs, name: str) -> Finding:
    seen = proofs.held
    if seen.error is not None:
        return _finding(name, "hold", False, seen.error.message, seen.error.hint)
    if JobState.HELD in seen.states and seen.record is not None:
        return _finding(name, "hold", True, "a job was held, and ran when it was released")
    if JobState.HELD in seen.states:
        detail = f"a job that was held and released did not run within {proofs.patience_s:.0f} s"
        return _finding(name, "hold", None, detail, "look whether a person may release jobs on this cluster")
    if set(seen.states) & {JobState.RUNNING, JobState.ENDED}:
        detail = f"not proved: {HOLDS} jobs started before they could be held"
        return _finding(name, "hold", None, detail, "a cluster this quick has little to hold")
    return _not_proved(proofs, seen, name, "hold")


def _attach(proofs: Proofs, name: str) -> Finding:
    attached, job = proofs.attached, proofs.killed.job
    if attached is None or job is None:
        return _not_proved(proofs, proofs.killed, name, "re-attach")
    if attached.error is not None:
        return _finding(name, "re-attach", False, attached.error.message, attached.error.hint)
    if attached.found is None or attached.found.id != job.id:
        found = "finds another" if attached.found else "does not find it"
        detail = f"who opens the cluster anew and looks for job {job.id} by its name {found}"
        return _finding(name, "re-attach", False, detail, "after a crash, jobs could not be found again")
    if attached.state in {None, JobState.UNKNOWN}:
        detail = f"who opens the cluster anew does not know job {job.id}"
        return _finding(name, "re-attach", False, detail, "after a restart, jobs would be unknown")
    detail = f"who opens the cluster anew finds job {job.id} by its name: {attached.state}"
    return _finding(name, "re-attach", True, detail)


def _kill(proofs: Proofs, name: str) -> Finding:
    seen = proofs.killed
    if seen.error is not None:
        return _finding(name, "kill", False, seen.error.message, seen.error.hint)
    if proofs.attached is None:
        return _not_proved(proofs, seen, name, "kill")
    if seen.record is None and seen.books is None and JobState.ENDED not in seen.states:
        detail = f"a job that was killed is {seen.message or (seen.states or ('unknown',))[-1]}"
        return _finding(name, "kill", False, detail, "kill it by hand; look at the node")
    told = (seen.books and seen.books.cause) or (seen.record and seen.record.cause)
    return _finding(
        name, "kill", True, "a job that ran was killed" + (f"; its end is told as {told}" if told else "")
    )


def _not_proved(proofs: Proofs, seen: Seen, name: str, what: str) -> Finding:
    """Say why a job proves nothing: it was refused, or did not come as far."""
    if seen.error is not None:
        return _finding(name, what, False, seen.error.message, seen.error.hint)
    state = seen.states[-1] if seen.states else JobState.UNKNOWN
    said = f" ({seen.message})" if seen.message else ""
    waits = state in _WAITS
    return _finding(
        name,
        what,
        None if waits else False,
        f"not proved: its job was {state} after {proofs.patience_s:.0f} s{said}",
        "other jobs have all places now; --patience SECONDS waits longer" if waits else _NODE,
    )
