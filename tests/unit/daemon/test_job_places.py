"""Where job directories are made: below the work directory, whole, and never over anything."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from cci.daemon.jobdir import JobDirectory, numbered, task_folder
from cci.daemon.ledger import Attempt
from cci.daemon.staging import WrongPlace, beside, is_staged, put_in_place

ATTEMPT = cast("Attempt", SimpleNamespace(nonce="mine"))


@pytest.fixture
def place(tmp_path: Path) -> JobDirectory:
    """Where the attempt belongs; nothing is there."""
    return JobDirectory(tmp_path / "work" / "P" / "label" / "1")


def test_a_directory_is_put_in_place_whole(place: JobDirectory, tmp_path: Path) -> None:
    """It has its name only when it is filled, and what others left half filled beside it goes."""
    beside(place, tmp_path / "work", "cut")
    made = beside(place, tmp_path / "work", "ab12")
    before = is_staged(place, ATTEMPT)
    made.job.write_text(json.dumps({"nonce": "mine"}), encoding="utf-8")
    put_in_place(made, place)
    assert (False, True, ["1"]) == (
        before,
        is_staged(place, ATTEMPT),
        [path.name for path in place.path.parent.iterdir()],
    )


def test_nothing_is_put_over_what_is_there(place: JobDirectory, tmp_path: Path) -> None:
    """A directory that holds something is left as it is."""
    made = beside(place, tmp_path / "work", "ab12")
    place.path.mkdir()
    (place.path / "claim").touch()
    with pytest.raises(WrongPlace, match="cannot be put in place"):
        put_in_place(made, place)
    assert ["claim"] == [path.name for path in place.path.iterdir()]


@pytest.mark.parametrize("content", ["", "[]", '"text"', '{"nonce": "another"}', "{}"])
def test_what_is_not_this_attempt_is_refused(place: JobDirectory, content: str) -> None:
    """A directory without the attempt's own job.json belongs to somebody else."""
    place.path.mkdir(parents=True)
    place.job.write_text(content, encoding="utf-8")
    with pytest.raises(WrongPlace, match="something else"):
        is_staged(place, ATTEMPT)


@pytest.mark.parametrize("target", ["elsewhere", "work"])
def test_links_lead_nowhere(place: JobDirectory, tmp_path: Path, target: str) -> None:
    """A task's folder that is a link to outside the work directory, or to the whole of it, is refused."""
    (tmp_path / target).mkdir()
    place.path.parent.parent.mkdir(parents=True)
    place.path.parent.symlink_to(tmp_path / target)
    with pytest.raises(WrongPlace, match="not below the work directory"):
        beside(place, tmp_path / "work", "ab12")


@pytest.mark.parametrize(
    ("project", "label", "expected"),
    [("P", "a-x-b", "P/a-x-b"), ("..", "a", "_/a"), ("A/../B", "a", "A_B/a"), ("", "a", "_/a")],
)
def test_the_folder_of_a_task(project: str, label: str, expected: str) -> None:
    """It is below the work directory, whatever a project is called."""
    assert Path("/srv/cci", expected) == task_folder(Path("/srv/cci"), project, label)


@pytest.mark.parametrize("label", ["..", "a/b", "", "/etc", "{number}"])
def test_no_folder_for_a_strange_label(label: str) -> None:
    """A label that is not safe as the name of a folder gets none."""
    with pytest.raises(ValueError, match="no label of a task"):
        task_folder(Path("/srv/cci"), "P", label)


def test_numbers_on_the_disk(tmp_path: Path) -> None:
    """Only whole attempts count: no other file, and nothing half filled."""
    names = ("1", "12", "3.ab12", "03", "x", "0", "²")
    for name in names:
        (tmp_path / name).mkdir()
    assert ({1, 12}, set()) == (numbered(tmp_path), numbered(tmp_path / "none"))
