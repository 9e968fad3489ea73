"""What of a remembered project is out of date, as tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cci.model import Assessor, Resource, Scan
from cci.xnat import assemble
from cci.xnat.assemble import ImageSession, Parts
from cci.xnat.known import (
    Known,
    Unclear,
    demand_known_types,
    is_young,
    out_of_date,
    unexplained,
    with_content,
    with_names,
    young,
)
from cci.xnat.tables import Row

NOW = datetime(2026, 1, 2, 3, 4, 30, tzinfo=UTC)
OLD, NEW = "2026-01-01 00:00:00.0", "2026-01-02 00:00:00.0"
MR = "xnat:mrSessionData"


def row(key: str, **other: str) -> Row:
    subject = f"S_{key}"
    row = {"id": key, "label": key.lower(), "project": "P", "subject_id": subject, "subject_label": subject}
    return {**row, "date": "2020-01-02", "insert_date": OLD, "xsitype": MR, **other}


def rows(*keys: str) -> dict[str, Row]:
    return {key: row(key) for key in keys}


def subjects(*keys: str, stamp: str = OLD) -> dict[str, Row]:
    return {
        f"S_{key}": {"id": f"S_{key}", "label": key, "project": "P", "last_modified": stamp} for key in keys
    }


def known(*keys: str, owners: dict[str, str] | None = None, **other: Any) -> Known:
    """Return what a look at these sessions has found, all of them unchanged since long."""
    images = {key: ImageSession(project=(owners or {}).get(key, "P"), scans=()) for key in keys}
    parts = Parts(
        experiments=rows(*keys),
        subjects=subjects(*keys),
        images=images,
        last_modified=dict.fromkeys(keys, OLD),
    )
    project = assemble.assemble("P", parts, now=NOW)
    types = {"types": frozenset({MR}), "others": frozenset({"x:y"})}
    return Known(**{"project": project, "parts": parts, "listed": rows(*keys), **types, **other})


@pytest.mark.parametrize(
    ("stamps", "remembered", "expected"),
    [
        pytest.param({"A": OLD, "B": OLD}, known("A", "B"), set(), id="nothing changed"),
        pytest.param({"A": OLD, "B": NEW}, known("A", "B"), {"B"}, id="one changed"),
        pytest.param(
            {"A": OLD, "B": "2025-01-01 00:00:00"}, known("A", "B"), {"B"}, id="the clock went back"
        ),
        pytest.param({"A": OLD, "C": OLD}, known("A"), {"C"}, id="one is new"),
        pytest.param({"A": OLD}, known("A", young=frozenset({"A"})), {"A"}, id="its stamp was young"),
        pytest.param({"A": OLD}, known("A", young=frozenset({"gone"})), set(), id="young, and not listed"),
        pytest.param({"A": ""}, known("A"), {"A"}, id="no stamp any more"),
    ],
)
def test_what_is_read(stamps: dict[str, str], remembered: Known, expected: set[str]) -> None:
    """New sessions are read, those whose stamp differs in any way, and those that were young."""
    assert expected == out_of_date(remembered, rows(*stamps), stamps, subjects(*stamps))


def test_another_name_is_no_change_of_content() -> None:
    """A session of ours that was renamed is not read for that alone, and has its new name."""
    renamed = {"A": row("A", label="b"), "B": row("B")}
    remembered = known("A", "B")
    stamps = dict.fromkeys(renamed, OLD)
    assert frozenset() == out_of_date(remembered, renamed, stamps, subjects("A", "B"))
    assert renamed == with_names(remembered, renamed)


@pytest.mark.parametrize(
    ("listed", "there", "remembered", "why"),
    [
        pytest.param(rows("A"), subjects("A", "B"), known("A", "B"), "1 session is no longer", id="deleted"),
        pytest.param(rows("A", "B"), subjects("A"), known("A", "B"), "1 subject is no longer", id="subject"),
        pytest.param({}, {}, known("A", "B"), "2 sessions are no longer", id="an empty listing"),
        pytest.param(
            {"A": row("A", label="b")}, subjects("A"), known("A", owners={"A": "Q"}), "another", id="shared"
        ),
        pytest.param(
            {**rows("A"), "C": row("C", project="Q")},
            subjects("A", "C"),
            known("A"),
            "another",
            id="new, shared",
        ),
    ],
)
def test_what_does_not_add_up(
    listed: dict[str, Row], there: dict[str, Row], remembered: Known, why: str
) -> None:
    """Nothing is concluded from what is missing, nor of sessions that another project owns."""
    with pytest.raises(Unclear, match=why):
        out_of_date(remembered, listed, dict.fromkeys(listed, OLD), there)


@pytest.mark.parametrize(
    ("count", "changed", "is_much"), [(30, 20, False), (30, 21, True), (2000, 40, False)]
)
def test_many_changes(count: int, changed: int, is_much: bool) -> None:
    """Beyond twenty sessions or a fiftieth of them, listings of the whole are cheaper."""
    keys = [f"E{number}" for number in range(count)]
    remembered, listed = known(*keys), rows(*keys)
    stamps = {key: NEW if number < changed else OLD for number, key in enumerate(keys)}
    if is_much:
        with pytest.raises(Unclear, match="21 of 30 sessions changed"):
            out_of_date(remembered, listed, stamps, subjects(*keys))
    else:
        assert changed == len(out_of_date(remembered, listed, stamps, subjects(*keys)))


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("2026-01-02 03:04:29.999", True),
        ("2026-01-02 03:04:21", True),
        ("2026-01-02 03:04:20", False),
        ("2026-01-02 02:04:29.5", True),  # an archive an hour to the west
        ("2026-01-01 21:34:29.5", True),  # and one in the middle of an ocean
        ("2026-01-02 03:04:35", True),  # its database is fast
        ("2026-01-02 03:04:41", False),
        ("2025-12-02 03:04:29.5", False),  # no local time is a month away
        ("2026-01-02", False),
        ("", True),
        ("soon", True),
    ],
)
def test_young_stamps(stamp: str, expected: bool) -> None:
    """A stamp is young within ten seconds of the archive's time, in whatever zone it is written."""
    assert expected is is_young(stamp, NOW)


def test_archive_without_a_clock() -> None:
    """Where the archive does not tell its time, every stamp is young."""
    assert {"A"} == young({"A": OLD, "B": OLD}, {"A": None, "B": NOW})


@pytest.mark.parametrize(
    ("now", "explained", "expected"),
    [
        (subjects("A", "B"), [], set()),
        (subjects("A", "B", stamp=NEW), ["S_A"], {"S_B"}),
        (subjects("A", "B", "C"), [], {"S_C"}),
        (subjects("A", "B", stamp=""), ["S_A", "S_B"], set()),
    ],
)
def test_unexplained_subjects(now: dict[str, Row], explained: list[str], expected: set[str]) -> None:
    """A subject's stamp that no changed session or assessor explains asks for a further look."""
    assert expected == unexplained(known("A", "B"), now, explained)


def test_experiments_of_a_new_type() -> None:
    """Experiments of types that the project has had are no news; of a new one they are."""
    demand_known_types(known("A"), [row("A"), row("N", xsitype="x:y")])
    with pytest.raises(Unclear, match="petSessionData"):
        demand_known_types(known("A"), [row("N", xsitype="xnat:petSessionData")])


def test_content_in_place_of_what_it_was() -> None:
    """What was read takes the place of all that was known of those sessions, and of nothing else."""
    note = {"R": Resource(label="R")}
    assessor = Assessor(id="A1", label="L", xsi_type="proc:genProcData", project="P")
    before = replace(
        known("A", "B").parts,
        resources={"A": note, "B": note},
        assessors={"A": (assessor,), "B": (assessor,)},
    )
    images = {"A": ImageSession(project="P", scans=(Scan(id="1"),))}
    after = with_content(before, Parts(experiments={}, subjects={}, images=images))
    assert {"A": 1, "B": 0} == {key: len(image.scans) for key, image in after.images.items()}
    assert ({"B": note}, {"B": (assessor,)}) == (after.resources, after.assessors)


def test_size() -> None:
    """Its size counts sessions, scans and assessors."""
    assert 2 == known("A", "B").size
