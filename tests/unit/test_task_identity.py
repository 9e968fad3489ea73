"""A task's identity, its label, and the mark by which an assessor of ours is known."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from support.snapshots import ARCHIVE, a_project, a_scan, a_session, a_subject, an_assessor, target_of

from cci.inputs import ours
from cci.model import Target
from cci.task import MAX_LABEL, inputs_field, key_for, make_label


def _label(*parts: str, proctype: str = "Dti_v1", accession_id: str = "E1") -> str:
    """Return the label of the task on a target with these labels: project, subject, session and scan."""
    project, subject, session, scan = (*parts, "", "", "", "")[:4]
    target = Target(
        project=a_project(id=project),
        subject=a_subject(label=subject) if len(parts) > 1 else None,
        session=a_session(label=session, session_id=accession_id) if len(parts) > 2 else None,
        scan=a_scan(scan) if len(parts) > 3 else None,
    )
    return make_label(target, key_for(ARCHIVE, target, proctype))


@pytest.mark.parametrize(
    ("parts", "label"),
    [
        (("P",), "P-x-Dti_v1"),
        (("P", "S"), "P-x-S-x-Dti_v1"),
        (("P", "S", "E"), "P-x-S-x-E-x-Dti_v1"),
        (("P", "S", "E", "3"), "P-x-S-x-E-x-3-x-Dti_v1"),
        (("P_1", "S-2", "E-_3", "4-MR1"), "P_1-x-S-2-x-E-_3-x-4-MR1-x-Dti_v1"),
    ],
)
def test_plain_parts_are_the_label(parts: tuple[str, ...], label: str) -> None:
    """Labels that are safe are used as they are: project, subject, session, scan, proctype."""
    assert label == _label(*parts)


#: A session's label, and what is left of it in the task's.
HOSTILE = {
    "a b": "a_b",
    "../../etc": "_etc",
    "/etc/passwd": "_etc_passwd",
    "a;rm -rf $HOME": "a_rm_-rf_HOME",
    "$(reboot)": "_reboot_",
    "`reboot`": "_reboot_",
    'it\'s "quoted"': "it_s_quoted_",
    "Müller": "M_ller",
    "脑": "_",
    "a\nb": "a_b",
    "a\0b": "a_b",
    "a-x-b": "a_x_b",
    "x-b": "x_b",
    "a-x": "a_x",
    "x-x-x": "x_x_x",
    "": "_",
}


@pytest.mark.parametrize("part", HOSTILE)
def test_a_hostile_part_is_made_harmless(part: str) -> None:
    """What is no letter, digit, '_' or '-' is replaced, and eight hex digits tell the task from others."""
    pattern = rf"P-x-S-x-{re.escape(HOSTILE[part])}-x-Dti_v1-[0-9a-f]{{8}}"
    assert re.fullmatch(pattern, _label("P", "S", part))


@pytest.mark.parametrize("length", [80, 101, 102, 103, 500])
def test_a_label_is_never_longer_than_the_limit(length: int) -> None:
    """A long label is cut, and then ends in digits of the identity."""
    label = _label("P", "S", "E" * length)
    cut = length > MAX_LABEL - len("P-x-S-x--x-Dti_v1")
    assert (min(length + 17, MAX_LABEL), cut) == (
        len(label),
        re.search(r"E-[0-9a-f]{8}\Z", label) is not None,
    )


#: The same examples on every machine, however slow it is.
STEADY = settings(deadline=None, database=None, derandomize=True)
AWKWARD = st.text(alphabet="ax-_ ä/", max_size=8)
PARTS = st.lists(AWKWARD, min_size=3, max_size=4)


@STEADY
@given(one=PARTS, other=PARTS)
@example(one=["P", "a-x", "b"], other=["P", "a", "x-b"])
@example(one=["P", "a", "x", "b"], other=["P", "a-x", "x-b"])
def test_two_tasks_never_share_a_label(one: list[str], other: list[str]) -> None:
    """Different labels of subject, session or scan make different labels of tasks, whatever they contain."""
    assume(one != other)
    assert _label(*one, accession_id="E1") != _label(*other, accession_id="E2")


@STEADY
@given(st.lists(st.text(max_size=60), min_size=1, max_size=4))
def test_a_label_is_safe_everywhere(parts: list[str]) -> None:
    """Whatever people call things, a task's label is fit for files, shells and archives."""
    label = _label(*parts)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,120}", label)
    assert ("-x-" in label, len(label)) == (True, len(label.encode()))


def test_the_identity_has_no_label_in_it() -> None:
    """A session that is renamed keeps its tasks."""
    renamed = target_of(a_session(label="after"))
    assert key_for(ARCHIVE, target_of(a_session(label="before")), "Dti_v1") == key_for(
        ARCHIVE, renamed, "Dti_v1"
    )


@pytest.mark.parametrize(
    "other",
    [
        key_for("https://other", target_of(a_session(), a_scan("3")), "Dti_v1"),
        key_for(ARCHIVE, target_of(a_session(session_id="E2"), a_scan("3")), "Dti_v1"),
        key_for(ARCHIVE, target_of(a_session(), a_scan("4")), "Dti_v1"),
        key_for(ARCHIVE, target_of(a_session()), "Dti_v1"),
        key_for(ARCHIVE, target_of(a_session(), a_scan("3")), "Dti_v2"),
    ],
    ids=["archive", "session", "scan", "level", "version"],
)
def test_what_makes_two_tasks(other: object) -> None:
    """Archive, accession id, scan and proctype are the identity; its digest differs with each."""
    key = key_for(ARCHIVE, target_of(a_session(), a_scan("3")), "Dti_v1")
    assert key != other
    assert key.digest != getattr(other, "digest", "")


def test_our_mark_reads_back() -> None:
    """What is written into an assessor's inputs tells later whose it is and what it ran on."""
    key = key_for(ARCHIVE, target_of(a_session(), a_scan("3")), "Dti_v1")
    assessor = an_assessor(inputs=inputs_field(key, {"dwi/NIFTI": "3:1/10"}))
    assert {"cci": 1, "scan": "3", "inputs": {"dwi/NIFTI": "3:1/10"}} == ours(assessor)


@pytest.mark.parametrize("text", ["", "/projects/P/scans/3", "[]", "{}", '{"scan": "3"}', "{", "[" * 100_000])
def test_other_systems_marks(text: str) -> None:
    """An assessor whose inputs are empty, another system's or damaged is not ours."""
    assert ours(an_assessor(inputs=text)) is None
