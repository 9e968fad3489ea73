"""Starting under caps: what the ledger opens, in its turn, and at what pace. No archive is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from support.ledger import created, new_task
from support.quiet import quiet_workplace

from cci.daemon import absence, pacing
from cci.daemon.ledger import TaskEntry
from cci.daemon.pacing import Paced, wait_for_turn
from cci.daemon.starting import Ready, candidate_of, keep_ready, manners, open_chosen, why_waiting
from cci.daemon.workplace import Workplace
from cci.errors import ClusterError, ClusterUnavailable, SubmissionRefused
from cci.status import Status
from cci.task import HELD, TaskKey

NOON = datetime(2024, 5, 6, 12, 0, tzinfo=UTC)
PROJECTS = {"P": ["dti_qa", "fmri_qa"], "Q": ["dti_qa", "fmri_qa"]}


@contextmanager
def place(home: Path, **sections: Any) -> Iterator[Workplace]:
    """Open a workplace with two projects and two processors."""
    with quiet_workplace(home, **{"projects": PROJECTS, **sections}) as opened:
        yield opened


def waiting(workplace: Workplace, number: int, **values: Any) -> TaskEntry:
    """Enter a task that waits for a place."""
    key = TaskKey(archive=workplace.url, accession_id=f"E{number}", scan_id="", proctype="Dti_v1")
    named = {"key": key, "label": f"T{number}", "processor": "dti_qa", **values}
    entry = created(workplace.ledger, new_task(number, **named), None)
    assert entry is not None
    return entry


def ready(entry: TaskEntry, *clusters: str, priority: int = 0) -> Ready:
    """Return what a sweep hands over of a task."""
    names = clusters or ("local",)
    orders: Mapping[str, Mapping[str, Any]] = {name: {"for": name} for name in names}
    return Ready(
        entry=entry,
        candidate=candidate_of(entry, names, priority=priority),
        planned=entry.revision,
        orders=orders,
        keep_old=False,
        waited=True,
    )


def opened(workplace: Workplace, *tasks: Ready) -> list[str]:
    """Open what may be opened; return the labels in their order."""
    return [workplace.ledger.task(one.task_id).label for one in open_chosen(workplace, tasks)[0]]


def test_never_more_than_the_cap(tmp_path: Path) -> None:
    """Of twenty tasks under a cap of three three are opened, and no more when asked again."""
    with place(tmp_path, limits={"max_running": 3}) as workplace:
        tasks = [ready(waiting(workplace, number)) for number in range(20)]
        assert (["T0", "T1", "T2"], []) == (opened(workplace, *tasks), opened(workplace, *tasks[3:]))


def test_a_cap_set_meanwhile_is_heeded(tmp_path: Path) -> None:
    """What a person sets at run time holds from the next start on, and back again when it is unset."""
    with place(tmp_path, limits={"max_running": 3}) as workplace:
        tasks = [ready(waiting(workplace, number)) for number in range(9)]
        workplace.ledger.set_cap("total", 1, who="ann")
        first = opened(workplace, *tasks)
        workplace.ledger.set_cap("processor:dti_qa", 2, who="ann")
        workplace.ledger.unset_cap("total")
        second = opened(workplace, *tasks[1:])
        assert (["T0"], ["T1"]) == (first, second)


def test_a_task_that_changed_gives_its_place_away(tmp_path: Path) -> None:
    """One that was held or taken since it was looked at is left; the next one has its place."""
    with place(tmp_path, limits={"max_running": 2}) as workplace:
        tasks = [ready(waiting(workplace, number)) for number in range(4)]
        workplace.ledger.move(tasks[0].entry.id, Status.PRE_COMPLETE, HELD, {})
        assert ["T1", "T2"] == opened(workplace, *tasks)


def test_nothing_is_opened_when_all_comes_to_an_end(tmp_path: Path) -> None:
    """A stop is heeded before the first."""
    with place(tmp_path) as workplace:
        task = ready(waiting(workplace, 1))
        workplace.stopping.set()
        assert [] == opened(workplace, task)


def test_the_order_is_that_of_the_chosen_cluster(tmp_path: Path) -> None:
    """Each attempt is written with its cluster, and with the order that was made for that one."""
    clusters = {name: {"slots": 1, "memory_mb": 100, "max_running": 1} for name in ("a", "b")}
    with place(tmp_path, clusters=clusters) as workplace:
        tasks = [ready(waiting(workplace, number), "a", "b") for number in range(3)]
        attempts, left = open_chosen(workplace, tasks)
        assert [("a", {"for": "a"}), ("b", {"for": "b"})] == [(one.cluster, one.inputs) for one in attempts]
        assert tasks[2:] == left


def test_what_a_sweep_left_waits_for_free_places(tmp_path: Path) -> None:
    """What was written of a task since the sweep leaves it to the next one; the others are kept, in order."""
    with place(tmp_path, limits={"max_running": 1}) as workplace:
        entries = [waiting(workplace, number) for number in range(5)]
        workplace.ledger.write(entries[0].id, {"note": "acknowledged meanwhile"}, reason="x")
        workplace.ledger.move(entries[1].id, Status.PRE_COMPLETE, HELD, {})
        keep_ready(workplace, [ready(entry) for entry in entries])
        workplace.ledger.write(entries[2].id, {"validation/status": "Do Not Run"}, reason="a hold")
        opened_now = opened(workplace, *workplace.ready)
        assert (["T0"], ["T0", "T2", "T3", "T4"]) == (
            opened_now,
            [one.entry.label for one in workplace.ready],
        )
        workplace.ledger.set_cap("total", 9, who="ann")
        assert ["T3", "T4"] == opened(workplace, *workplace.ready)


# -- why ----------------------------------------------------------------------------------------------


def test_why_a_task_waits(tmp_path: Path) -> None:
    """A task is told which cap is full, that others come first, or nothing if it is next."""
    with place(tmp_path, limits={"max_running": 2}, processors={"fmri_qa": {"max_running": 1}}) as workplace:
        first, second, third = (waiting(workplace, number) for number in (1, 2, 3))
        fmri = waiting(workplace, 4, processor="fmri_qa", project="Q")
        before = [why_waiting(workplace, one) for one in (first, second, third)]
        open_chosen(workplace, [ready(fmri)])
        other = waiting(workplace, 5, processor="fmri_qa")
        assert (
            ["", "waits for its turn: tasks before it take the last of 2 places for jobs"],
            "waits for a place: 1 of 1 jobs of processor fmri_qa are open",
        ) == ([before[0], before[2]], why_waiting(workplace, other))


def test_held_tasks_come_before_nobody(tmp_path: Path) -> None:
    """A task that is held, or that no project lists any more, keeps no place from another."""
    with place(tmp_path, limits={"max_running": 1}) as workplace:
        held = waiting(workplace, 1)
        workplace.ledger.move(held.id, Status.PRE_COMPLETE, HELD, {})
        waiting(workplace, 2, processor="gone")
        waiting(workplace, 3, project="GONE")
        assert "" == why_waiting(workplace, waiting(workplace, 4))


# -- clusters that take nothing -----------------------------------------------------------------------


def fail(workplace: Workplace, error: ClusterError, processor: str = "") -> None:
    """Let a cluster fail once."""
    absence.note(workplace, "local", processor, error)


def test_a_cluster_that_is_away_gets_nothing_new(tmp_path: Path) -> None:
    """Until it answers, tasks wait for it, and say so; then they start."""
    with place(tmp_path) as workplace:
        entry = waiting(workplace, 1)
        fail(workplace, ClusterUnavailable("qstat: cannot contact the qmaster"))
        during = (opened(workplace, ready(entry)), why_waiting(workplace, entry))
        with absence.noted(workplace, "local"):
            pass
        assert ([], "waits for cluster local: qstat: cannot contact the qmaster") == during
        assert (["T1"], []) == (opened(workplace, ready(entry)), workplace.ledger.away())


def test_a_refusal_concerns_one_processor(tmp_path: Path) -> None:
    """What was refused is not handed in again at once; other processors go on, also while it answers."""
    with place(tmp_path) as workplace:
        dti, fmri = waiting(workplace, 1), waiting(workplace, 2, processor="fmri_qa")
        fail(workplace, SubmissionRefused("no such queue"), "dti_qa")
        with absence.noted(workplace, "local"):
            pass
        assert ["T2"] == opened(workplace, ready(dti), ready(fmri))
        assert "waits for cluster local: no such queue" == why_waiting(workplace, dti)


def test_a_cluster_that_only_answers_questions(tmp_path: Path) -> None:
    """A cluster that leaves submissions without an answer gets no new ones because it tells states."""
    with place(tmp_path) as workplace:
        dti = waiting(workplace, 1)
        fail(workplace, ClusterUnavailable("sbatch did not end in time"), "dti_qa")
        with absence.noted(workplace, "local"):
            pass
        during = opened(workplace, ready(dti))
        absence.note(workplace, "local", "dti_qa")
        assert ([], ["T1"]) == (during, opened(workplace, ready(dti)))


def test_an_absence_ends_by_itself(tmp_path: Path) -> None:
    """After its time a cluster is tried with new attempts again, however often it failed."""
    with place(tmp_path, timing={"retry_s": 3600}) as workplace:
        for _ in range(3):
            fail(workplace, ClusterUnavailable("away"))
        (away,) = workplace.ledger.away()
        assert (3, True) == (away.tries, away.until <= datetime.now(UTC) + absence.LONGEST)
        workplace.ledger.set_away("local", "", "away", until=datetime.now(UTC) - timedelta(seconds=1))
        assert {} == manners(workplace).unwell


def test_other_errors_say_nothing_of_a_cluster(tmp_path: Path) -> None:
    """A cluster that cannot do one thing is not away."""
    with place(tmp_path) as workplace:
        fail(workplace, ClusterError("cannot suspend"))
        assert [] == workplace.ledger.away()


# -- pace ---------------------------------------------------------------------------------------------


def turns(workplace: Workplace, count: int) -> list[datetime]:
    """Take turns until one is too far away; return when that one is, for each that was refused."""
    refused = []
    for _ in range(count):
        try:
            wait_for_turn(workplace, "local")
        except Paced as pause:
            refused.append(pause.until)
    return refused


def test_without_an_interval_nobody_waits(tmp_path: Path) -> None:
    """The default asks the ledger for no turn at all."""
    with place(tmp_path) as workplace:
        assert [] == turns(workplace, 50)
        assert (datetime.now(UTC) + timedelta(hours=1)) > workplace.ledger.next_turn(
            "cluster local", 0, within_s=0
        )[0]


def test_a_far_turn_is_not_waited_for_in_hand(tmp_path: Path) -> None:
    """After the first submission the next one is told to come again, and takes no turn."""
    with place(tmp_path, limits={"submit_interval_s": 600}) as workplace:
        before = datetime.now(UTC)
        refused = turns(workplace, 3)
        due = [before + timedelta(seconds=600) <= until for until in refused]
        assert ([True, True], 1) == (due, len(set(refused)))


def test_jitter_is_added(tmp_path: Path) -> None:
    """The gap is at least the interval and at most interval and jitter."""
    with place(tmp_path, limits={"submit_interval_s": 100, "submit_jitter_s": 200}) as workplace:
        before = datetime.now(UTC)
        (until,) = turns(workplace, 2)
        after = datetime.now(UTC)
        assert before + timedelta(seconds=100) <= until <= after + timedelta(seconds=300)


def test_a_near_turn_is_waited_for(tmp_path: Path) -> None:
    """Short intervals are waited for; each turn is at least the interval after the one before."""
    with place(tmp_path, limits={"submit_interval_s": 0.05}) as workplace:
        before = datetime.now(UTC)
        refused = turns(workplace, 4)
        assert ([], True) == (refused, datetime.now(UTC) - before >= timedelta(seconds=0.15))


def test_a_stop_ends_the_wait(tmp_path: Path) -> None:
    """When all comes to an end nothing more is handed to a cluster by who waits for a turn."""
    with place(tmp_path, limits={"submit_interval_s": pacing.HOLD_S}) as workplace:
        wait_for_turn(workplace, "local")
        workplace.stopping.set()
        assert 1 == len(turns(workplace, 1))


def test_how_long_a_pause_is() -> None:
    """Until the turn, and a moment where that has just passed."""
    pause = Paced("local", NOON)
    times = [pause.wait_s(NOON - timedelta(seconds=9)), pause.wait_s(NOON + timedelta(seconds=9))]
    assert ([9.0, 0.05], "the next submission to local is due at 12:00:00 UTC") == (times, pause.message)
