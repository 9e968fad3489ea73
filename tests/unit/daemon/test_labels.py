"""Labels of new tasks: none is another task's, another system's, or one that leads out of a folder."""

from __future__ import annotations

import pytest
from support.snapshots import ARCHIVE, a_scan, a_session, project_of

from cci.daemon.labels import Labels
from cci.model import Target
from cci.task import MAX_LABEL, TaskKey, distinct_label, key_for, make_label

PROJECT = project_of(a_session(a_scan("1", "T1"), session_id="E1"))
SUBJECT, SESSION = next(PROJECT.sessions())
TARGET = Target(project=PROJECT, subject=SUBJECT, session=SESSION)
KEY: TaskKey = key_for(ARCHIVE, TARGET, "Dti_v1")
PLAIN = make_label(TARGET, KEY)
DISTINCT = distinct_label(PLAIN, KEY)


@pytest.mark.parametrize(
    ("of_tasks", "in_archive", "expected"),
    [
        ((), (), PLAIN),
        ((PLAIN,), (), DISTINCT),
        ((), (PLAIN,), DISTINCT),
        ((PLAIN,), (DISTINCT,), ""),
    ],
    ids=["free", "another task's", "another system's", "both taken"],
)
def test_a_new_task(of_tasks: tuple[str, ...], in_archive: tuple[str, ...], expected: str) -> None:
    """It has the plain label, or that with the digest of its identity, whichever nobody has."""
    assert expected == Labels(of_tasks, lambda: in_archive).make(TARGET, KEY)


def test_a_label_is_given_once() -> None:
    """What a plan has given to one task it gives to no other."""
    labels = Labels((), tuple)
    assert [PLAIN, DISTINCT, ""] == [labels.make(TARGET, KEY) for _ in range(3)]


@pytest.mark.parametrize(
    "label",
    ["../up", "..", "", "a/b", "a b", "{number}", "a\n", "/etc", "a\0b", "a.b", "a" * (MAX_LABEL + 1)],
)
def test_a_label_that_is_none_of_ours(label: str) -> None:
    """A label that `make_label` cannot have made is refused when a task is adopted."""
    assert "no label that cci gives" in Labels((), tuple).adopt(label)


def test_a_label_of_two_adopted_tasks() -> None:
    """Of two assessors that claim one label the first is adopted, and the other refused with the reason."""
    labels = Labels(("known",), tuple)
    taken = "the archive calls it {}, which is the label of another task"
    assert ["", taken.format(PLAIN), taken.format("known")] == [
        labels.adopt(label) for label in (PLAIN, PLAIN, "known")
    ]
