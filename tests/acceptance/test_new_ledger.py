"""What a new, empty ledger does not know of the results that its predecessor brought."""

from __future__ import annotations

import pytest
from support.lab import Lab


@pytest.mark.slow
def test_an_adopted_task_runs_again(lab: Lab) -> None:
    """A task of a lost ledger runs again and replaces its results, which the archive itself tells of."""
    scan = lab.scan("E1")
    lab.sweep()
    place = f"{lab.assessor_uri(lab.task())}/out"
    lab.fill.files(place, "TEXT", {"remarks.txt": b"a person's"})
    for path in lab.home.glob("ledger.db*"):
        path.unlink()
    lab.cci("takeover", lab.project)
    lab.sweep()
    adopted = lab.task()
    image = f"{scan}/resources/DATA/files/image.dat"
    lab.fill.put(image, {"inbody": "true", "overwrite": "true"}, b"another, longer image of E1")
    lab.cci("rerun", adopted["label"])
    lab.sweep()
    again = lab.task()

    assert (("COMPLETE", 0), ("COMPLETE", 1)) == tuple(
        (one["status"], one["attempts"]) for one in (adopted, again)
    )
    assert {"summary.txt": b"image/DATA/image.dat 27\nend", "remarks.txt": b"a person's"} == lab.files(
        again, "TEXT"
    )


@pytest.mark.slow
def test_an_adopted_task_fails_and_runs_again(lab: Lab) -> None:
    """A failed run in between loses nothing of what the archive tells of earlier results."""
    scan = lab.scan("E1")
    lab.sweep()
    for path in lab.home.glob("ledger.db*"):
        path.unlink()
    lab.cci("takeover", lab.project)
    lab.sweep()
    ends = []
    for behave, image in ((b"exit 3", b"of E1"), (b"sleep 0", b"another, longer image of E1")):
        for name, content in (("behave", behave), ("image.dat", image)):
            place = f"{scan}/resources/DATA/files/{name}"
            lab.fill.put(place, {"inbody": "true", "overwrite": "true"}, content)
        lab.cci("rerun", lab.task()["label"])
        lab.cci("sweep", "--wait", "--yes", check=False)
        ends.append(lab.task()["status"])

    assert ["JOB_ERROR", "COMPLETE"] == ends
