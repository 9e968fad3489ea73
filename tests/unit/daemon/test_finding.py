"""Which task a person means: by label, or by the words of the table of tasks."""

from __future__ import annotations

import pytest
from support.entries import an_entry

from cci.daemon.finding import matching, words_of
from cci.daemon.ledger import TaskEntry


def _task(
    label: str, session: str, scan: str, processor: str, proctype: str, *, subject: str = "S1"
) -> TaskEntry:
    return an_entry(
        label=label,
        project="DEMO",
        subject=subject,
        session=session,
        scan_id=scan,
        processor=processor,
        proctype=proctype,
    )


TASKS = [
    _task("DEMO-x-S1-x-sub-01_visit-1-x-1-x-DtiQa_v1", "sub-01_visit-1", "1", "dti_qa", "DtiQa_v1"),
    _task("DEMO-x-S1-x-sub-01_visit-1-x-2-x-DtiQa_v1", "sub-01_visit-1", "2", "dti_qa", "DtiQa_v1"),
    _task("DEMO-x-S1-x-sub-01_visit-1-x-2-x-FmriQa_v1", "sub-01_visit-1", "2", "fmri_qa", "FmriQa_v1"),
    _task(
        "DEMO-x-S2-x-visit__1_-x-3-x-FmriQa_v1-0123abcd",
        'visit "1"',
        "3",
        "fmri_qa",
        "FmriQa_v1",
        subject="S2",
    ),
    _task("DEMO-x-Zoe-x-2-x-FreeSurfer_v7", "2", "", "freesurfer", "FreeSurfer_v7", subject="Zoë"),
    _task("DEMO-x-Group-x-Group_v1", "", "", "group", "Group_v1", subject="Group"),
]


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        # labels
        ("DEMO-x-S1-x-sub-01_visit-1-x-2-x-DtiQa_v1", [1]),
        ("demo-x-s1-x-sub-01_visit-1-x-2-x-dtiqa_v1", [1]),
        ("0123abcd", [3]),
        # a line of the table, as it stands
        ("DEMO/sub-01_visit-1 2 dti_qa", [1]),
        ("DEMO/sub-01_visit-1  2     dti_qa      PRE_COMPLETE", [1]),
        ('DEMO/visit "1" 3 fmri_qa', [3]),
        ("DEMO/Group group", [5]),
        # any order, any case, proctype, no project
        ("dti_qa sub-01_visit-1 1", [0]),
        ("1 DTI_QA Sub-01_Visit-1", [0]),
        ("sub-01_visit-1 2 FmriQa_v1", [2]),
        ('visit  "1"', [3]),
        ("freesurfer", [4]),
        ("ZOË", [4]),
        # the table before the subject, and whole words before parts
        ("sub-01_visit-1 2", [1, 2]),
        ("dti_qa", [0, 1]),
        ("S2 3", [3]),
        # parts of labels
        ("visit-1", [0, 1, 2]),
        # nothing
        ("sub-01_visit-1 4 dti_qa", []),
        ("nobody", []),
        ("", []),
        ("  ", []),
        ("1 1 1 1", []),
    ],
)
def test_what_a_name_can_mean(name: str, numbers: list[int]) -> None:
    """A label, the words of a line in any order, or a part of a label: the first that fits decides."""
    assert numbers == [TASKS.index(task) for task in matching(TASKS, name)]


def test_words_of_a_task_name_it() -> None:
    """The words that name a task in messages are words that commands accept."""
    assert ['DEMO/visit "1" 3 fmri_qa', "DEMO/2 freesurfer"] == [words_of(TASKS[3]), words_of(TASKS[4])]
    assert TASKS == [found for task in TASKS for found in matching(TASKS, words_of(task))]
