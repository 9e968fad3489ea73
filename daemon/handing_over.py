"""Hand prepared attempts to their clusters: announce, submit, note. Several at once where a cluster likes it.

The order is what keeps a job from running twice or being lost: the intent is in the ledger before the cluster
is asked, and the job's id as soon as it has answered. Whoever finds an intent without an id looks on the
cluster for the job's name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Self

import structlog

from cci.cluster.base import JobRef
from cci.daemon import absence, holder, retrying, staging
from cci.daemon.jobdir import JobDirectory
from cci.daemon.ledger import Attempt, LeaseLost, LedgerUnavailable, NewJob, Stage
from cci.daemon.pacing import Paced
from cci.daemon.submission import Work, let_go, prepare, set_back
from cci.daemon.workplace import Workplace
from cci.task import inputs_field

log = structlog.get_logger()

#: Groups of attempts that are handed to one cluster at the same time: one is noted while the next is taken.
GROUPS = 2


def _tell_nobody(done: int) -> None:
    """Show nothing."""
    del done


def begin(workplace: Workplace, attempt: Attempt) -> bool:
    """Carry an attempt on to a cluster, in its turn; return whether it has a job now."""
    return bool(begin_all(workplace, [attempt]))


def begin_all(
    workplace: Workplace, attempts: Sequence[Attempt], told: Callable[[int], None] = _tell_nobody
) -> set[int]:
    """Carry attempts on to their clusters, a few at a time; return the numbers of those that have a job now.

    Parameters
    ----------
    told
        Called with how many attempts are prepared, each time that there is one more.
    """
    with holder.holding() as ours, _Line(workplace, ours) as line:
        for attempt in attempts:
            line.prepare(attempt)
        return line.work_off(told)


class _Line:
    """Attempts on their way: some are being prepared, some wait for their cluster, some are handed over.

    Only the thread that made it changes it; workers put what they have done into its queue.
    """

    def __init__(self, workplace: Workplace, ours: str) -> None:
        self._workplace = workplace
        self._ours = ours
        workers, clusters = workplace.settings.limits.stage_workers, len(workplace.clusters)
        self._stagers = ThreadPoolExecutor(workers, thread_name_prefix="stage")
        self._hands = ThreadPoolExecutor(GROUPS * clusters, thread_name_prefix="submit")
        self._done: SimpleQueue[tuple[str, Future[Work | None] | Future[set[int]]]] = SimpleQueue()
        self._waiting: defaultdict[str, list[Work]] = defaultdict(list)
        self._busy: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stagers.shutdown(cancel_futures=True)
        self._hands.shutdown()

    def prepare(self, attempt: Attempt) -> None:
        """Let an attempt be prepared when a worker is free."""
        self._start("", self._stagers.submit(_in_turn, self._workplace, attempt, self._ours))

    def work_off(self, told: Callable[[int], None]) -> set[int]:
        """Go on until nothing is under way; see `begin_all`."""
        begun: set[int] = set()
        prepared, errors = 0, list[Exception]()
        while self._busy.total():
            cluster, future = self._done.get()
            self._busy[cluster] -= 1
            try:
                result = future.result()
            except Exception as error:  # noqa: BLE001 (raised when what is in hand has been seen to)
                errors.append(error)
                result = None
            if isinstance(result, set):
                begun |= result
            elif result is not None:
                self._waiting[result.attempt.cluster].append(result)
            if not cluster:
                prepared += 1
                told(prepared)
            self._send_off()
        if errors:
            raise errors[0]
        return begun

    def _send_off(self) -> None:
        """Hand over what waits, as far as the clusters are free; nothing more when all comes to an end."""
        for cluster, works in self._waiting.items():
            if self._workplace.stopping.is_set():
                for work in works:
                    let_go(self._workplace, work.attempt, self._ours)
                works.clear()
            while works and self._busy[cluster] < GROUPS:
                at_once = works[0].cluster.at_once
                group, works[:at_once] = works[:at_once], []
                self._start(cluster, self._hands.submit(hand_over, group))

    def _start(self, cluster: str, future: Future[Work | None] | Future[set[int]]) -> None:
        self._busy[cluster] += 1
        future.add_done_callback(lambda done: self._done.put((cluster, done)))


def _in_turn(workplace: Workplace, attempt: Attempt, ours: str) -> Work | None:
    """Prepare an attempt in its turn.

    While that is far away nobody holds the attempt: it can be killed, or taken up by another process.
    """
    while not workplace.stopping.is_set():
        try:
            return prepare(workplace, attempt, ours)
        except Paced as pause:
            workplace.stopping.wait(pause.wait_s(datetime.now(UTC)))
    return None


# -- one group ------------------------------------------------------------------------------------------


def hand_over(works: Sequence[Work]) -> set[int]:
    """Hand prepared attempts of one holder to one cluster; return the numbers of those that have a job now.

    All are in nobody's hand then. A failure never escapes: it puts an attempt off, takes it back, or ends it.
    """
    noted: set[int] = set()
    try:
        announced = _alone_if_need_be(_announced, works)
        taken, failed = _submitted([work for work in announced if work.job is None])
        # first the jobs that there are: until they are noted only their names tell of them
        jobs = [*(work for work in announced if work.job is not None), *taken]
        noted = {work.attempt.id for work in _alone_if_need_be(_noted, jobs)}
        for work, error in failed:
            set_back(work, error)
    finally:
        for work in works:
            if work.attempt.id not in noted:
                let_go(work.workplace, work.attempt, work.holder)
    return noted


def _alone_if_need_be(step: Callable[[Sequence[Work]], list[Work]], works: Sequence[Work]) -> list[Work]:
    """Take a step with all in one transaction, or with each by itself where that fails: one fails alone."""
    try:
        return step(works) if works else []
    except Exception as error:  # noqa: BLE001 (one bad attempt never stops the others; it is logged whole)
        if len(works) > 1 and not isinstance(error, LedgerUnavailable):
            return [done for work in works for done in _alone_if_need_be(step, [work])]
        for work in works:
            set_back(work, error)
        return []


def _still_held(works: Sequence[Work], held: Collection[int]) -> list[Work]:
    """Return those that nobody else has taken over."""
    for work in works:
        if work.attempt.id not in held:
            set_back(work, LeaseLost(f"attempt {work.attempt.id} was taken over by another process"))
    return [work for work in works if work.attempt.id in held]


def _announced(works: Sequence[Work]) -> list[Work]:
    """Write down the intents; from here on nobody may say that certainly no job exists."""
    ledger, ours = works[0].workplace.ledger, works[0].holder
    now = ledger.advance_all(ours, {work.attempt.id: _intent(work) for work in works})
    return [replace(work, attempt=now[work.attempt.id]) for work in _still_held(works, now)]


def _intent(work: Work) -> Mapping[str, object]:
    if work.attempt.state is Stage.SUBMITTING:
        # what was refused is handed over once more
        return {"cause": "", "job_state": ""} if work.job is None else {}
    digests = staging.digests(JobDirectory(Path(work.attempt.directory)))
    return {"state": str(Stage.SUBMITTING), "inputs": {**work.attempt.inputs, "digests": digests}}


def _submitted(works: Sequence[Work]) -> tuple[list[Work], list[tuple[Work, Exception]]]:
    """Hand jobs over; return the attempts that have one now, and the others, each with what came of it."""
    if not works:
        return [], []
    answers = works[0].cluster.submit_all([staging.job_spec(work.attempt, work.order) for work in works])
    pairs = list(zip(works, answers, strict=True))
    taken = [replace(work, job=answer) for work, answer in pairs if isinstance(answer, JobRef)]
    failed = [(work, answer) for work, answer in pairs if isinstance(answer, Exception)]
    with suppress(LedgerUnavailable):
        _note_answers(taken, failed)
    return taken, failed


def _note_answers(taken: Sequence[Work], failed: Sequence[tuple[Work, Exception]]) -> None:
    """Note how the cluster takes jobs, once for each processor."""
    for work in {work.entry.processor: work for work in taken}.values():
        absence.note(work.workplace, work.attempt.cluster, work.entry.processor)
    for work, error in {
        (work.entry.processor, type(error)): (work, error) for work, error in failed
    }.values():
        absence.note(work.workplace, work.attempt.cluster, work.entry.processor, error)


def _noted(works: Sequence[Work]) -> list[Work]:
    """Note the ids of jobs, and that their tasks run."""
    workplace, ours = works[0].workplace, works[0].holder
    jobs = {work.attempt.id: _new_job(work, work.job) for work in works if work.job is not None}
    noted = _still_held(works, workplace.ledger.submitted_all(ours, jobs))
    _tell_well(workplace, works[0].attempt.cluster)
    for work in noted:
        facts = {"task": work.entry.label, "attempt": work.attempt.number}
        log.info("job submitted", action="submit", job_id=jobs[work.attempt.id].job_id, **facts)
    return noted


def _new_job(work: Work, job: JobRef) -> NewJob:
    order = work.order
    fields = {
        "jobid": job.id,
        "jobstartdate": datetime.now(UTC).date().isoformat(),
        "procversion": order.version,
        "inputs": inputs_field(work.entry.key, order.fingerprints),
    }
    return NewJob(job_id=job.id, fields=fields, reason=retrying.words_of(work.attempt))


def _tell_well(workplace: Workplace, cluster: str) -> None:
    """Note that cluster and disk are as they should be."""
    workplace.alerts.over(("cluster", cluster), "cluster answers again", action="submit", cluster=cluster)
    workplace.alerts.over("disk", "there is room in the work directory again", action="submit")
