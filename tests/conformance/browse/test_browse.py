"""What the pages for people show, over HTTP."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import pytest
from support.fill import Fill
from support.pages import PNG, Links, page
from support.rest import Rest


@pytest.mark.usefixtures("session")
def test_every_link_leads_somewhere(admin: Rest, project: str) -> None:
    """From the project one gets to every page below, and no link is dead."""
    todo, seen = [f"/browse/projects/{project}"], {"/browse/"}
    while todo:
        uri = todo.pop()
        answer = admin.http.get(f"{admin.url}{uri}", timeout=120)
        assert 200 == answer.status_code, uri
        if not answer.headers["Content-Type"].startswith("text/html"):
            continue
        found = Links(answer.text)
        assert [] == found.running
        links = {urljoin(uri, link).partition("#")[0] for link in found.links}
        inside = {link for link in links if project in link or "/static/" in link} - seen
        seen |= inside
        todo += sorted(inside)
    task = next(link.rpartition("/")[0] for link in seen if link.endswith("/resources/PDF"))
    assert {f"{task}/PDF/files/report.pdf", f"{task}/SNAPSHOTS/files/large.png"} <= seen
    assert any(link.endswith("/resources/NIFTI/files/dwi.nii.gz") and "/data/" in link for link in seen)


def test_session_page(admin: Rest, session: str) -> None:
    """A session shows its scans and tasks with what people look for, and the small picture."""
    text = page(admin, session)
    for words in ("DTI", "✓ usable", "33", "NIFTI", "5.0 kB", "DtiQa_v1", "COMPLETE", "2020-01-02"):
        assert words.removeprefix("✓ ") in text
    assert re.search(r'src="[^"]+/resources/SNAPSHOTS/files/thumbnail.png"', text)


def test_task_page(admin: Rest, session: str) -> None:
    """A task shows its report, its table and its fields; the link from a script's address leads there."""
    rows = admin.rows(f"{session.replace('/browse/', '/data/')}/assessors")
    moved = admin.get(f"/browse/experiments/{rows[0]['ID']}")
    assert 302 == moved.status_code
    text = page(admin, moved.headers["Location"])
    assert re.search(r'<object[^>]+type="application/pdf"[^>]+/resources/PDF/files/report.pdf#', text)
    assert re.search(r"<td>fa</td>\s*<td[^>]*>0.5</td>", text)
    assert f"<dd>{rows[0]['ID']}</dd>" in text


def test_old_results_are_files_only(admin: Rest, fill: Fill, session: str) -> None:
    """Results that newer ones have replaced are in the list of files, and not shown as results."""
    task = f"{session}/assessors/T1"
    fill.files(
        f"{task.replace('/browse/', '/data/')}/out", "OLD", {"before.pdf": b"%PDF-1.4\n", "before.png": PNG}
    )
    text = page(admin, task)
    assert 'href="' + f"{task}/resources/OLD/files/before.pdf" in text
    assert ["report.pdf"] == re.findall(r"<object[^>]+/([^/#]+)#", text)
    assert "before.png" not in "".join(re.findall(r"<img[^>]+>", text))


def test_pages_of_a_large_project(admin: Rest, fill: Fill, project: str) -> None:
    """Subjects come in screens, and are found by their label, their session's or a task's status."""
    for number in range(27):
        fill.session(project, f"sub-{number:02}", f"ses_{number:02}%")
    fill.assessor(
        f"/data/projects/{project}/subjects/sub-07/experiments/ses_07%25", "A", procstatus="JOB_ERROR"
    )
    uri = f"/browse/projects/{project}"

    def sessions(**parameters: str) -> list[str]:
        return re.findall(r">(ses_\d\d)%</a>", page(admin, uri, **parameters))

    assert [f"ses_{number:02}" for number in range(25)] == sessions()
    assert ["ses_25", "ses_26"] == sessions(page="2")
    assert ["ses_13"] == sessions(q="UB-13")
    assert ["ses_26"] == sessions(q="ses_26%")
    assert ["ses_07"] == sessions(status="JOB_ERROR")
    assert ([], []) == (sessions(q="s_s"), sessions(q="ses_2__"))
    assert ["ses_25", "ses_26"] == sessions(page="99999")


def test_many_sessions_of_one_subject(admin: Rest, fill: Fill, project: str) -> None:
    """A project shows the first sessions of a subject and leads to the others."""
    for number in range(12):
        fill.session(project, "S", f"ses-{number:02}")
    text = page(admin, f"/browse/projects/{project}")
    assert (10, True) == (len(re.findall(r">ses-\d\d</a>", text)), "2 more sessions" in text)
    assert 12 == len(re.findall(r">ses-\d\d</a>", page(admin, f"/browse/projects/{project}/subjects/S")))


def test_many_files(admin: Rest, fill: Fill, project: str) -> None:
    """Files of a large resource come in screens, and are found by their path."""
    fill.files(f"/data/projects/{project}", "R", {f"d/{number:03}.dcm": b"x" for number in range(203)})
    uri = f"/browse/projects/{project}/resources/R"
    assert (200, 3) == tuple(page(admin, uri, page=str(n)).count('scope="row"') for n in (1, 2))
    assert 1 == page(admin, uri, q="D/077").count('scope="row"')


@pytest.mark.parametrize(
    "tail",
    [
        *(
            "subjects/NO",
            "subjects/S1/experiments/NO",
            "subjects/S1/experiments/MR1/scans/9",
            "stray",
            "users",
        ),
        *("subjects/S1/experiments/MR1/assessors/9", "subjects/S1/experiments/MR1/resources/9"),
        *("subjects/S1/experiments/MR1/scans/2/resources/NIFTI/files/no.nii", "subjects/S1/projects"),
        *("subjects/S1/experiments/MR1/scans/2/resources/NIFTI/files/no.png", "resources/X/files/a/../b"),
    ],
)
@pytest.mark.usefixtures("session")
def test_nothing_there(admin: Rest, project: str, tail: str) -> None:
    """An address that names nothing is a page that says so, with 404."""
    answer = admin.http.get(f"{admin.url}/browse/projects/{project}/{tail}", timeout=60)
    assert 404 == answer.status_code


def test_lists_are_pages_of_their_parents(admin: Rest, project: str, session: str) -> None:
    """The address of a list leads to the page that shows it."""
    pairs = {
        "/browse/projects": "/browse/",
        f"/browse/projects/{project}/subjects": f"/browse/projects/{project}",
        f"{session}/scans": session,
    }
    assert pairs == {uri: admin.get(uri).headers["Location"] for uri in pairs}
