"""A session with what most sessions have, for tests that look at one."""

from __future__ import annotations

from support.fill import Fill


def everyday_session(fill: Fill, project: str) -> None:
    """Make session MR1 of subject S1, with two scans, a task and a resource."""
    session = fill.session(project, "S1", "MR1", date="2020-01-02")
    fill.scan(session, "1", type="T1", quality="usable", frames="176")
    fill.scan(session, "2", type="dwi", quality="usable")
    fill.assessor(session, "TASK1", procstatus="COMPLETE")
    fill.files(session, "R", {"a.txt": b"abc"})
