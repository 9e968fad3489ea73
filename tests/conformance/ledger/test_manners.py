"""Caps and turns that all processes share: counts, caps set at run time, and one turn after the other."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from support.ledger import ARCHIVE, made, me, opened, other_process, race, running

from cci.daemon.ledger import Ledger, OpenCount, SetCap, Stage, TaskEntry
from cci.task import TaskKey


def count(project: str, state: Stage, number: int, *, processor: str = "dti") -> OpenCount:
    """Return a count of attempts on the cluster of `opened`."""
    return OpenCount(
        project=project, processor=processor, cluster="local", state=state, job_state="", count=number
    )


def test_open_attempts_are_counted(ledger: Ledger) -> None:
    """Attempts that are alike are one count; closed ones and those of other archives are none."""
    for number in (1, 2):
        opened(ledger, made(ledger, number))
    running(ledger, made(ledger, 3), me())
    opened(ledger, made(ledger, 4, project="Q", processor="fmri"))
    holder = me()
    ended = running(ledger, made(ledger, 5), holder)
    ledger.collecting(ended.id, holder, {})
    assert [
        count("P", Stage.COLLECTING, 1),
        count("P", Stage.STAGING, 2),
        count("P", Stage.SUBMITTED, 1),
        count("Q", Stage.STAGING, 1, processor="fmri"),
    ] == ledger.open_counts(ARCHIVE)
    assert [] == ledger.open_counts("https://other.example.org")


def test_a_cap_is_set_changed_and_given_back(ledger: Ledger) -> None:
    """A cap has one value, with who set it and when; given back it is gone, and that is said."""
    before = datetime.now(UTC)
    ledger.set_cap("total", 5, who="ann")
    ledger.set_cap("cluster:sge", 2, who="ann")
    ledger.set_cap("total", 0, who="bob")
    caps = ledger.set_caps()
    assert [("cluster:sge", 2, "ann"), ("total", 0, "bob")] == [
        (cap.name, cap.value, cap.who) for cap in caps
    ]
    assert all(before <= cap.at <= datetime.now(UTC) for cap in caps)
    assert (True, False, ["total"]) == (
        ledger.unset_cap("cluster:sge"),
        ledger.unset_cap("cluster:sge"),
        [cap.name for cap in ledger.set_caps()],
    )


def set_by_number(ledger: Ledger, number: int) -> object:
    """Set a cap, as another process would."""
    ledger.set_cap("total", number, who="other")
    return True


def test_a_cap_that_another_process_sets_is_seen(url: str, ledger: Ledger) -> None:
    """A daemon that runs sees at its next look what a command has set meanwhile."""
    found: list[SetCap] = ledger.set_caps()
    with other_process(url, set_by_number, 7):
        after = ledger.set_caps()
    assert ([], [("total", 7)]) == (found, [(cap.name, cap.value) for cap in after])


# -- admission ----------------------------------------------------------------------------------------


def fewer_than_three(counts: Sequence[OpenCount]) -> bool:
    """Admit a third attempt, and no fourth."""
    return sum(one.count for one in counts) < 3


def open_one_more(ledger: Ledger, number: int) -> bool:
    """Open an attempt at a task of one's own, if it is admitted."""
    mark = f"{number}-{secrets.token_hex(4)}"
    key = TaskKey(archive=ARCHIVE, accession_id=mark, scan_id="", proctype="Dti_v1")
    entry = made(ledger, key=key, label=mark)
    attempt = ledger.open_attempt(
        entry.id, cluster="local", directory="/srv/cci", inputs={}, admit=fewer_than_three
    )
    return attempt is not None


def test_processes_together_keep_a_cap(url: str, ledger: Ledger) -> None:
    """However many processes open attempts at the same moment, no more are open than the cap allows."""
    won = race(url, open_one_more, range(6), runners=3)
    assert (3, 3, 18) == (
        sum(won),
        sum(one.count for one in ledger.open_counts(ARCHIVE)),
        len(ledger.tasks(ARCHIVE)),
    )


def test_who_is_not_admitted_changes_nothing(ledger: Ledger, task: TaskEntry) -> None:
    """A task whose attempt is not admitted is as it was."""
    attempt = ledger.open_attempt(task.id, cluster="local", directory="/", inputs={}, admit=lambda _: False)
    assert (None, task) == (attempt, ledger.task(task.id))


# -- turns --------------------------------------------------------------------------------------------


def test_turns_follow_each_other(ledger: Ledger) -> None:
    """Each turn is a gap after the one before it; one that is too far away is told, and not taken."""
    turns = [ledger.next_turn("sge", 100, within_s=250) for _ in range(4)]
    gaps = [later[0] - sooner[0] for sooner, later in pairwise(turns)]
    assert ([timedelta(seconds=100)] * 3, [True, True, True, False]) == (gaps, [took for _, took in turns])
    assert turns[3] == ledger.next_turn("sge", 100, within_s=250)


def test_each_sequence_has_its_own_turns(ledger: Ledger) -> None:
    """What waits for one cluster does not wait for another."""
    first = ledger.next_turn("sge", 3600, within_s=0)
    assert (True, (True, False)) == (
        first[1],
        (ledger.next_turn("slurm", 3600, within_s=0)[1], ledger.next_turn("sge", 3600, within_s=0)[1]),
    )


def test_a_turn_long_ago_keeps_nobody_waiting(ledger: Ledger) -> None:
    """A turn is never in the past, and gaps that nobody used are not made up for."""
    ledger.next_turn("sge", 0, within_s=0)
    before = datetime.now(UTC)
    turn, took = ledger.next_turn("sge", 0, within_s=0)
    assert (True, True) == (took, before <= turn <= datetime.now(UTC))


def turn(ledger: Ledger, number: int) -> bool:
    """Take a turn that is at once."""
    return ledger.next_turn(f"cluster {number}", 3600, within_s=0)[1]


def test_one_process_has_a_turn(url: str) -> None:
    """Of processes that want the same turn one has it, also the first of a sequence."""
    assert [1] * 5 == race(url, turn, range(5))


# -- clusters that take no jobs -----------------------------------------------------------------------


def known_away(ledger: Ledger) -> list[tuple[str, str, str, int]]:
    """Return what the ledger knows of clusters, without the times."""
    return [(one.cluster, one.processor, one.reason, one.tries) for one in ledger.away()]


def test_a_cluster_that_is_away(ledger: Ledger) -> None:
    """How often in a row a cluster failed is counted, with the newest reason, until it is back."""
    until = datetime.now(UTC) + timedelta(minutes=5)
    ledger.set_away("sge", "", "no answer", until=until - timedelta(minutes=1))
    ledger.set_away("sge", "", "still no answer", until=until)
    assert ([("sge", "", "still no answer", 2)], [until]) == (
        known_away(ledger),
        [one.until for one in ledger.away()],
    )
    ledger.set_back("slurm", "")
    assert 1 == len(ledger.away())
    ledger.set_back("sge", "")
    assert [] == ledger.away()


def test_a_refusal_is_of_one_processor(ledger: Ledger) -> None:
    """A cluster that answers has not taken back its refusal; only a job of that processor ends it."""
    until = datetime.now(UTC)
    for processor in ("", "dti", "fmri"):
        ledger.set_away("sge", processor, "bad queue", until=until)
    ledger.set_back("sge", "")
    assert [("sge", "dti", "bad queue", 1), ("sge", "fmri", "bad queue", 1)] == known_away(ledger)
    ledger.set_back("sge", "dti")
    assert [("sge", "fmri", "bad queue", 1)] == known_away(ledger)
