"""Sweeps over ten thousand sessions: what they cost the archive, and that no task of so many is lost.

One session is really processed; the others are copies of it in the archive's database (`support.multitude`).
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from support.lab import Lab
from support.multitude import multiply

FEW, MANY = 10, 10_000
#: Login and logout included, for one session type and one further assessor type (that of subjects).
PRICE = 9 + 1 + 1
#: Longer than any sweep here takes, however busy the machine is.
PATIENCE_S = 1200.0


def processed_session(lab: Lab, scans: int) -> str:
    """Make a session with so many scans, process them all, and return its accession id."""
    for number in range(1, scans + 1):
        lab.scan("E1", str(number))
    lab.sweep()
    rows = lab.rest.get(f"/data/projects/{lab.project}/experiments", {"format": "json"}).json()
    return str(rows["ResultSet"]["Result"][0]["ID"])


def grow(lab: Lab, session_id: str, before: int, after: int) -> None:
    """Let the project grow from *before* to *after* sessions that are all alike."""
    lab.archive.stop()
    multiply(lab.archive.root, session_id, after - before, there=before - 1)
    lab.archive.start()


def swept(lab: Lab) -> dict[str, Any]:
    """Sweep once and return the report."""
    (report,) = json.loads(lab.cci("sweep", "--json", patience_s=PATIENCE_S).stdout)
    return dict(report)


def cost_of_sweep(lab: Lab) -> int:
    """Sweep once, where nothing is to be done, and return how many requests the archive had."""
    before = int(lab.archive.requests()["total"])
    report = swept(lab)
    assert (0, 0, []) == (report["moved"], report["started"], report["failures"])
    return int(lab.archive.requests()["total"]) - before


@pytest.mark.slow
def test_cost_does_not_grow(lab: Lab, *, long: bool) -> None:
    """A sweep with nothing to do costs as many requests over ten thousand sessions as over ten."""
    scans = 10 if long else 2
    # requests are what is counted here; a busy machine may take its time for each
    lab.change_settings(archive={"first_byte_s": PATIENCE_S, "total_s": PATIENCE_S})
    session_id = processed_session(lab, scans)
    grow(lab, session_id, 1, FEW)
    swept(lab)
    costs = [cost_of_sweep(lab)]
    grow(lab, session_id, FEW, MANY)
    adopted = swept(lab)
    costs.append(cost_of_sweep(lab))

    assert (MANY * scans, (MANY - FEW) * scans) == (adopted["tasks"], adopted["moved"])
    assert {"COMPLETE": MANY * scans} == Counter(lab.statuses().values())
    assert costs[0] == costs[1] <= PRICE
