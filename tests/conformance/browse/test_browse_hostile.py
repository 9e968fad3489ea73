"""Nothing of what is uploaded or asked for does anything to the pages."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.archive import RunningArchive
from support.fill import Fill
from support.pages import HOSTILE, Links, page
from support.rest import Rest

#: What a label can hold at its worst: markup, quotes, a template, other scripts, a direction mark.
LABELS = [
    HOSTILE.replace("/", ""),
    "\"'><img src=x onerror=alert(1)>",
    "{{ 7*7 }}",
    "Zoë 漢字 🧠\u202e",
    "x" * 200,
]


@pytest.mark.parametrize("label", LABELS)
def test_hostile_labels(admin: Rest, fill: Fill, project: str, label: str) -> None:
    """Labels are text on every page, whatever they are, and their pages are found."""
    session = fill.session(project, label, label, note=HOSTILE)
    scan = fill.scan(session, label[:60], type=HOSTILE, quality=HOSTILE)
    fill.assessor(session, f"a{label}", procstatus=HOSTILE[:30], note=HOSTILE)
    fill.files(scan, "R", {f"{label[:100]}.txt": b"x"})
    subject = session.rpartition("/experiments/")[0]
    uris = [f"/data/projects/{project}", subject, session, scan, f"{scan}/resources/R"]
    uris.append(f"{session}/assessors/{quote(f'a{label}', safe='')}")
    for uri in uris:
        text = page(
            admin, uri.replace("/data/", "/browse/", 1), **({"q": label} if "/scans" not in uri else {})
        )
        found = Links(text)
        assert [] == found.running
        assert {""} == {urlsplit(link).netloc for link in found.links}
        assert [] == [each for each in (HOSTILE, "<img src=x", "alert(1)>") if each in text]
    assert [label] == re.findall(
        r"<h1>(.*)</h1>", unescape(page(admin, session.replace("/data/", "/browse/")))
    )


def test_headers_of_pages(admin: Rest, session: str) -> None:
    """Pages may run no script, load nothing from elsewhere, be in no frame and in no cache."""
    headers = admin.get(session).headers
    policy = headers["Content-Security-Policy"]
    assert {"default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(
        policy.split("; ")
    )
    assert "unsafe" not in policy
    assert ("no-store", "nosniff") == (headers["Cache-Control"], headers["X-Content-Type-Options"])


@pytest.mark.parametrize(
    "name", ["evil.html", "evil.svg", "evil.xhtml", "evil.xml", "evil.js", "evil.html.nii"]
)
def test_active_files_are_downloads(admin: Rest, fill: Fill, project: str, name: str) -> None:
    """HTML, SVG and what is like them leaves the archive as a download, wherever it is asked for."""
    fill.files(f"/data/projects/{project}", "R", {name: HOSTILE.encode()})
    answer = admin.http.get(f"{admin.url}/browse/projects/{project}/resources/R/files/{name}", timeout=60)
    assert f"/data/projects/{project}/resources/R/files/{name}" == urlsplit(answer.url).path
    assert answer.headers["Content-Disposition"].startswith("attachment;")


@pytest.mark.parametrize(("name", "kind"), [("x.png", "image/png"), ("x.txt", "text/plain; charset=utf-8")])
def test_disguised_files_are_what_their_name_says(
    admin: Rest, fill: Fill, project: str, name: str, kind: str
) -> None:
    """HTML under another name is shown as what the name says, in a sandbox."""
    fill.files(f"/data/projects/{project}", "R", {name: HOSTILE.encode()})
    answer = admin.get(f"/browse/projects/{project}/resources/R/files/{name}")
    assert (200, kind, "nosniff") == (
        answer.status_code,
        answer.headers["Content-Type"],
        answer.headers["X-Content-Type-Options"],
    )
    assert answer.headers["Content-Security-Policy"].startswith("sandbox;")
    assert answer.headers["Content-Disposition"].startswith("inline;")


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_pages_write_nothing(admin: Rest, session: str, method: str) -> None:
    """Pages are for reading: other methods are refused."""
    assert 405 == admin.send(method, session).status_code


@pytest.mark.parametrize(
    "raw", ["/browse/projects/a%2fb", "/browse/projects/%00", "/browse/static/..%2froutes.py"]
)
def test_odd_addresses(admin: Rest, raw: str) -> None:
    """Addresses that are none are refused with a 4xx."""
    assert admin.get(raw).status_code in {400, 404}


def test_static_files(embedded: RunningArchive) -> None:
    """Style and sign come without a login; nothing else lies beside them."""
    with Rest(embedded.url) as client:
        answers = [client.get(f"/browse/static/{name}") for name in ("browse.css", "icon.svg", "routes.py")]
    assert [200, 200, 404] == [answer.status_code for answer in answers]
    assert "text/css; charset=utf-8" == answers[0].headers["Content-Type"]


_WORDS = st.sampled_from(
    [
        *(
            "projects",
            "subjects",
            "experiments",
            "scans",
            "assessors",
            "resources",
            "files",
            "in",
            "out",
            "shares",
        ),
        *(
            "P",
            "S1",
            "MR1",
            "2",
            "T1",
            "NIFTI",
            "SNAPSHOTS",
            "large.png",
            "..",
            ".",
            "%2e%2e",
            "a;b",
            "9" * 30,
            "",
        ),
    ]
)
_STEPS = st.lists(_WORDS | st.text(max_size=12).map(lambda text: quote(text, safe="")), max_size=9)
_QUERY = st.dictionaries(
    st.sampled_from(["q", "page", "status", "next", "format"]), st.text(max_size=40), max_size=3
)


@pytest.mark.usefixtures("session")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS, query=_QUERY, rooted=st.booleans())
def test_no_address_breaks_the_pages(
    admin: Rest, project: str, *, steps: list[str], query: dict[str, str], rooted: bool
) -> None:
    """Whatever is asked for, the answer is a page, the way to one, or a refusal; never a failure."""
    start = f"/browse/projects/{project}/subjects/S1/experiments/MR1" if rooted else "/browse"
    answer = admin.get("/".join([start, *steps]), query)
    assert answer.status_code < 500, answer.text


@pytest.mark.parametrize(
    "words", ["\0", "%", "_" * 300, "x" * 5000, "'; DROP TABLE subject; --", "\u202e\ud7ff"]
)
def test_odd_words(admin: Rest, project: str, session: str, words: str) -> None:
    """Words to look for are words, and nothing that a database would do something with."""
    for uri in ("/browse/", f"/browse/projects/{project}", f"{session}/scans/2/resources/NIFTI"):
        page(admin, uri, q=words, status=words, page=words)
