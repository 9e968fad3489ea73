"""Which tasks start, where, and why the others wait: tables over values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cci import settings as configuration
from cci.daemon.caps import Candidate, Cap, caps_of, choose, in_use, values_of
from cci.daemon.ledger import OpenCount, SetCap, Stage

NOON = datetime(2024, 5, 6, 12, 0, tzinfo=UTC)


def task(number: int, **values: Any) -> Candidate:
    """Return a candidate; a higher number is younger."""
    defaults: dict[str, Any] = {
        "task": number,
        "project": "P",
        "processor": "dti",
        "clusters": ("sge",),
        "priority": 0,
        "since": NOON + timedelta(minutes=number),
    }
    return Candidate(**{**defaults, **values})


def tasks(*numbers: int, **values: Any) -> list[Candidate]:
    """Return several candidates that are alike."""
    return [task(number, **values) for number in numbers]


def started(
    candidates: list[Candidate],
    used: Mapping[str, int] | None = None,
    caps: Mapping[str, int] | None = None,
    unwell: Mapping[str, str] | None = None,
) -> list[int]:
    """Return the numbers of the tasks that start, in their order."""
    return [one.task for one, _ in choose(candidates, used or {}, caps or {}, unwell).starts]


# -- caps ---------------------------------------------------------------------------------------------

CAPS: dict[str, tuple[dict[str, int], dict[str, int], list[int]]] = {
    "no caps": ({}, {}, [1, 2, 3, 4]),
    "total": ({"total": 3}, {}, [1, 2, 3]),
    "total, some open": ({"total": 3}, {"total": 2}, [1]),
    "total, full": ({"total": 3}, {"total": 3}, []),
    "total, lowered below what is open": ({"total": 3}, {"total": 9}, []),
    "pending": ({"pending": 1}, {}, [1]),
    "pending, the others run": ({"pending": 1, "total": 9}, {"total": 5}, [1]),
    "of the project": ({"project:P": 2}, {}, [1, 2]),
    "of another project": ({"project:Q": 0}, {}, [1, 2, 3, 4]),
    "of the processor": ({"processor:dti": 2}, {"processor:dti": 1}, [1]),
    "of another processor": ({"processor:fmri": 0}, {}, [1, 2, 3, 4]),
    "of the cluster": ({"cluster:sge": 2}, {}, [1, 2]),
    "pending on the cluster": ({"pending:sge": 3}, {"pending:sge": 1}, [1, 2]),
    "pending on another cluster": ({"pending:slurm": 0}, {}, [1, 2, 3, 4]),
    "the smallest of several": ({"total": 3, "project:P": 2, "cluster:sge": 1}, {}, [1]),
    "a cap of none": ({"processor:dti": 0}, {}, []),
}


@pytest.mark.parametrize("row", CAPS)
def test_caps(row: str) -> None:
    """No more start than each cap has places left, the oldest first."""
    caps, used, expected = CAPS[row]
    assert expected == started(tasks(3, 1, 4, 2), used, caps)


def test_a_full_processor_does_not_block_the_others() -> None:
    """Places that one processor may not have go to the next task at once."""
    mixed = [*tasks(1, 2, 3, processor="dti"), *tasks(4, 5, processor="fmri")]
    assert [1, 4] == started(mixed, {}, {"processor:dti": 1, "total": 2})


REASONS: dict[str, tuple[dict[str, int], dict[str, int], str]] = {
    "total": ({"total": 3}, {"total": 3}, "waits for a place: 3 of 3 jobs are open"),
    "lowered": ({"total": 3}, {"total": 5}, "waits for a place: 5 of 3 jobs are open"),
    "pending": (
        {"pending": 2},
        {"pending": 2},
        "waits for a place: 2 of 2 jobs that do not run yet are open",
    ),
    "project": ({"project:P": 1}, {"project:P": 1}, "waits for a place: 1 of 1 jobs of project P are open"),
    "processor": (
        {"processor:dti": 3},
        {"processor:dti": 3},
        "waits for a place: 3 of 3 jobs of processor dti are open",
    ),
    "cluster": (
        {"cluster:sge": 1},
        {"cluster:sge": 1},
        "waits for a place: 1 of 1 jobs on cluster sge are open",
    ),
    "pending on the cluster": (
        {"pending:sge": 1},
        {"pending:sge": 1},
        "waits for a place: 1 of 1 jobs that do not run yet on cluster sge are open",
    ),
    "none may start": (
        {"processor:dti": 0},
        {},
        "waits: jobs of processor dti may not start, the cap processor:dti is 0",
    ),
}


@pytest.mark.parametrize("row", REASONS)
def test_why_a_task_waits(row: str) -> None:
    """The sentence names the cap that is full, and how much of it is in use."""
    caps, used, sentence = REASONS[row]
    assert {1: sentence} == choose([task(1)], used, caps).waits


def test_a_task_that_comes_too_late_waits_for_its_turn() -> None:
    """Who only comes after others is told so: the cap is not in use yet."""
    choice = choose(tasks(1, 2, 3), {"total": 3}, {"total": 5})
    assert ([1, 2], {3: "waits for its turn: tasks before it take the last of 5 places for jobs"}) == (
        [one.task for one, _ in choice.starts],
        choice.waits,
    )


# -- order --------------------------------------------------------------------------------------------


def test_the_higher_priority_starts_first() -> None:
    """Priorities 0, 10 and 5 start as 10, 5 and 0, however old their tasks are and wherever."""
    mixed = [task(1), task(2, priority=10, project="Q"), task(3, priority=5)]
    assert [2, 3, 1] == started(mixed)
    assert [2] == started(mixed, {}, {"total": 1})


TURNS: dict[str, tuple[dict[str, int], int, str]] = {
    "from nothing": ({}, 6, "PQRPQR"),
    "one has much": ({"project:P": 9}, 4, "QRQR"),
    "one has a little more": ({"project:P": 1}, 5, "QRPQR"),
    "a place becomes free, whose turn it is": ({"project:P": 2, "project:Q": 1, "project:R": 2}, 1, "Q"),
    "few places": ({}, 2, "PQ"),
}


@pytest.mark.parametrize("row", TURNS)
def test_projects_take_turns(row: str) -> None:
    """The project with the fewest open jobs is next; of equals the one whose task is older."""
    used, places, expected = TURNS[row]
    many = [task(10 * place + turn, project=name) for place, name in enumerate("PQR") for turn in range(9)]
    assert expected == "".join(one.project for one, _ in choose(many, used, {"total": places}).starts)


def test_a_project_that_wants_little_leaves_the_rest() -> None:
    """Places that a project does not want are the others'."""
    few = [*tasks(1, project="Q"), *tasks(2, 3, 4, 5, 6, project="P")]
    assert [1, 2, 3, 4] == started(few, {}, {"total": 4})


def test_a_project_at_its_cap_leaves_the_rest() -> None:
    """Places that a project may not have are the others'."""
    many = [*tasks(1, 2, 3, project="P"), *tasks(4, 5, 6, project="Q")]
    assert [1, 4, 5, 6] == started(many, {}, {"total": 4, "project:P": 1})


def test_twenty_tasks_under_a_cap_of_three() -> None:
    """However jobs end, never more than three are open; all twenty run, and both projects all the time."""
    waiting = [task(number, project="PQ"[number % 2]) for number in range(20)]
    running: list[Candidate] = []
    order: list[str] = []
    most = 0
    while waiting or running:
        used = {"total": len(running)}
        for one in running:
            used[f"project:{one.project}"] = used.get(f"project:{one.project}", 0) + 1
        new = [one for one, _ in choose(waiting, used, {"total": 3}).starts]
        waiting = [one for one in waiting if one not in new]
        running += new
        order += [one.project for one in new]
        most = max(most, len(running))
        del running[0]
    assert (3, 10, 10) == (most, order.count("P"), order.count("Q"))
    assert {"PQ", "QP"} >= {"".join(order[at : at + 2]) for at in range(0, 20, 2)}


# -- clusters -----------------------------------------------------------------------------------------

BOTH = ("sge", "slurm")
CLUSTERS: dict[str, tuple[dict[str, int], dict[str, int], dict[str, str], list[str]]] = {
    "equally free": ({}, {}, {}, ["sge", "slurm", "sge", "slurm"]),
    "by their caps": ({"cluster:sge": 2, "cluster:slurm": 6}, {}, {}, ["sge", "slurm", "slurm", "slurm"]),
    "the second is freer": ({"cluster:sge": 9, "cluster:slurm": 9}, {"cluster:sge": 4}, {}, ["slurm"] * 4),
    "the first is full": ({"cluster:sge": 1}, {"cluster:sge": 1}, {}, ["slurm"] * 4),
    "the first has too many waiting": ({"pending:sge": 1}, {"pending:sge": 1}, {}, ["slurm"] * 4),
    "the first is away": ({}, {}, {"sge": "it does not answer"}, ["slurm"] * 4),
    "both are away": ({}, {}, dict.fromkeys(BOTH, "it does not answer"), []),
}


@pytest.mark.parametrize("row", CLUSTERS)
def test_the_cluster_of_a_new_attempt(row: str) -> None:
    """Of clusters that take jobs the one that is least busy for its cap has it, the first of equals."""
    caps, used, unwell, expected = CLUSTERS[row]
    choice = choose(tasks(1, 2, 3, 4, clusters=BOTH), used, {"total": 100, **caps}, unwell)
    assert expected == [cluster for _, cluster in choice.starts]


def test_why_no_cluster_has_a_task() -> None:
    """Each cluster that the task may run on is named, with what keeps it from there."""
    choice = choose(
        [task(1, clusters=BOTH)], {"cluster:slurm": 2}, {"cluster:slurm": 2}, {"sge": "qsub: no answer"}
    )
    expected = (
        "waits for cluster sge: qsub: no answer; waits for a place: 2 of 2 jobs on cluster slurm are open"
    )
    assert {1: expected} == choice.waits


# -- what is open -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "job_state", "names"),
    [
        (Stage.STAGING, "", {"total", "project:P", "processor:dti", "cluster:sge", "pending", "pending:sge"}),
        (
            Stage.SUBMITTING,
            "",
            {"total", "project:P", "processor:dti", "cluster:sge", "pending", "pending:sge"},
        ),
        (
            Stage.SUBMITTED,
            "",
            {"total", "project:P", "processor:dti", "cluster:sge", "pending", "pending:sge"},
        ),
        (
            Stage.SUBMITTED,
            "queued",
            {"total", "project:P", "processor:dti", "cluster:sge", "pending", "pending:sge"},
        ),
        (Stage.SUBMITTED, "running", {"total", "project:P", "processor:dti", "cluster:sge"}),
        (Stage.SUBMITTED, "held", {"total", "project:P", "processor:dti", "cluster:sge"}),
        (Stage.SUBMITTED, "unknown", {"total", "project:P", "processor:dti", "cluster:sge"}),
        (Stage.COLLECTING, "ended", set()),
    ],
)
def test_what_counts_under_which_cap(state: Stage, job_state: str, names: set[str]) -> None:
    """A job is open until its end is known, and pending until it is known to run or to be held."""
    counted = in_use(
        [OpenCount(project="P", processor="dti", cluster="sge", state=state, job_state=job_state, count=2)]
    )
    assert dict.fromkeys(names, 2) == dict(counted)


def settings(**sections: Any) -> configuration.Settings:
    """Return settings with these sections."""
    return configuration.build({"archive": {"url": "https://xnat.example.org"}, **sections})


def test_caps_of_settings() -> None:
    """Every cap that there can be is listed, set or not; pending ones are never more than may be staged."""
    made = settings(
        limits={"max_running": 50, "max_staged": 9, "max_pending": 30},
        clusters={"sge": {"kind": "sge", "max_running": 7, "max_pending": 2}, "local": {}},
        processors={"dti_qa": {"max_running": 3}},
        projects={"P": {"processors": ["dti_qa"], "max_running": 4}, "Q": ["fmri_qa"]},
    )
    assert {
        "total": 50,
        "pending": 9,
        "project:P": 4,
        "project:Q": None,
        "processor:dti_qa": 3,
        "processor:fmri_qa": None,
        "cluster:sge": 7,
        "cluster:local": None,
        "pending:sge": 2,
        "pending:local": None,
    } == {name: cap.value for name, cap in caps_of(made).items()}


def test_what_was_set_at_run_time_wins() -> None:
    """A cap that a person has set is heeded in place of the settings', also where it is higher, or 0."""
    at_run_time = [
        SetCap(name="total", value=500, who="ann", at=NOON),
        SetCap(name="processor:gone", value=0, who="bob", at=NOON),
    ]
    caps = caps_of(settings(), at_run_time)
    assert (
        Cap(name="total", value=500, who="ann", at=NOON),
        {"total": 500, "pending": 20, "processor:gone": 0},
    ) == (
        caps["total"],
        values_of(caps),
    )
