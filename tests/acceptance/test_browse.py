"""The archive's pages in a real browser: results are found, on any screen, and nothing uploaded runs."""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from support.archive import RunningArchive, running_archive
from support.chromium import Chromium, chromium
from support.fill import Fill

_HOSTILE = "<img src=x onerror=alert(1)><script>document.title='ran'</script>"
#: A name without a place to break it.
LONG = "x" * 150
#: One red page.
PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 4 0 R>>endobj\n"
    b"4 0 obj<</Length 34>>stream\n1 0 0 rg 0 0 300 300 re f         \nendstream endobj\n"
    b"trailer<</Root 1 0 R>>\n%%EOF\n"
)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningArchive]:
    """An archive with one task that has a picture, a table, a report, and what an attacker would add."""
    with running_archive(tmp_path_factory.mktemp("browse") / "archive") as running:
        with Fill(running.url, running.auth) as fill:
            session = fill.session("P", "sub-01", "visit-1", note=_HOSTILE)
            scan = fill.scan(session, "2", type="DTI", quality="usable")
            fill.files(scan, "NIFTI", {"dwi.nii.gz": b"n" * 5000})
            label = "P-x-sub-01-x-visit-1-x-2-x-DtiQa_v1"
            task = fill.assessor(session, label, procstatus="COMPLETE", proctype="DtiQa_v1", note=_HOSTILE)
            fill.files(
                f"{task}/out", "STATS", {"stats.csv": b"name,value\nfa,0.5\n" + _HOSTILE.encode() + b",1\n"}
            )
            fill.files(f"{task}/out", "PDF", {"report.pdf": PDF})
            fill.files(f"{task}/out", "SNAPSHOTS", {"thumbnail.png": _png(), "large.png": _png()})
            page = b"<html><body><script>document.title='ran'</script>here</body></html>"
            fill.files(session, "EVIL", {"page.html": page, "page.svg": page, "page.txt": page})
            long = fill.session("P", LONG, f"{LONG}s", note=LONG)
            fill.files(fill.scan(long, LONG, type=LONG, quality=LONG), LONG, {f"{LONG}.png": _png()})
            fill.assessor(long, f"{LONG}a", procstatus=LONG, proctype=LONG, note=LONG)
        yield running


def _png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\x20\x80\xf0" * 64 for _ in range(64))
    head = struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.fixture(scope="module")
def browser(archive: RunningArchive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """A browser that has logged in with the form."""
    with chromium(tmp_path_factory.mktemp("browser")) as running:
        running.screen(1280, 900)
        running.go(f"{archive.url}/")
        running.type("#username", archive.user)
        running.type("#password", archive.password)
        running.click(".login button")
        assert f"{archive.url}/browse/" == running.address
        yield running


def find_task(browser: Chromium, archive: RunningArchive) -> None:
    """Go from the front page to the task as a person does: by clicking."""
    browser.go(f"{archive.url}/")
    browser.click(".card a")
    browser.click('.list tr a[href*="/experiments/"]')
    browser.click(".result h3 a")


def every_page(browser: Chromium, archive: RunningArchive) -> list[str]:
    """Return the addresses of a page of each kind, of the task and of what has an odd name."""
    find_task(browser, archive)
    links = (
        "[...document.querySelectorAll('.crumbs a, .shelf .actions a[href^=\"/browse/\"]')].map(a => a.href)"
    )
    odd = f"{archive.url}/browse/projects/P/subjects/{LONG}"
    session = f"{odd}/experiments/{LONG}s"
    return [
        *browser.evaluate(links),
        browser.address,
        odd,
        session,
        f"{session}/scans/{LONG}",
        f"{odd}/nothing",
    ]


def test_from_the_front_page_to_the_results(browser: Chromium, archive: RunningArchive) -> None:
    """Three clicks lead from the projects to a task with its table, fields and the way back."""
    find_task(browser, archive)
    assert ["DtiQa_v1", "✓ COMPLETE"] == [browser.text("h1"), _with_sign(browser)]
    assert ["Projects", "P", "sub-01", "visit-1", "DtiQa_v1"] == browser.texts(".crumbs li > *")
    assert ["fa", "0.5"] == browser.texts(".sheet tbody tr:first-child td")


def _with_sign(browser: Chromium) -> str:
    sign = browser.evaluate("getComputedStyle(document.querySelector('.states .badge'), '::before').content")
    return str(sign).split('"')[1] + browser.text(".states .badge")


def test_report_is_seen_in_the_page(browser: Chromium, archive: RunningArchive, tmp_path: Path) -> None:
    """The PDF is drawn inside of the page: its red shows on the screen."""
    find_task(browser, archive)
    browser.evaluate("document.querySelector('.report').scrollIntoView()")
    end = time.monotonic() + 30
    while not (red := _red(browser, tmp_path / "screen.png")) and time.monotonic() < end:
        time.sleep(0.2)
    assert red


def _red(browser: Chromium, path: Path) -> bool:
    browser.picture(path)
    with Image.open(path) as image:
        colours = image.convert("RGB").getcolors(1 << 24) or []
    return sum(count for count, colour in colours if colour == (255, 0, 0)) > 10_000


def test_snapshots_are_pictures(browser: Chromium, archive: RunningArchive) -> None:
    """The small picture of a task is in the list of its session, and is a picture."""
    find_task(browser, archive)
    browser.click(".crumbs li:nth-child(4) a")
    browser.evaluate("Promise.all([...document.images].map(each => each.decode()))")
    assert 64 == browser.evaluate("document.querySelector('.result img').naturalWidth")


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_every_page_fits_the_screen(
    browser: Chromium, archive: RunningArchive, width: int, *, dark: bool
) -> None:
    """No page is wider than the screen, however long a label is, and dark is dark."""
    browser.screen(width, 800, dark=dark)
    wide = []
    for link in every_page(browser, archive):
        browser.go(link)
        if browser.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            wide.append(link)
    channels = browser.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)"
    )
    browser.screen(1280, 900)
    assert ([], dark) == (wide, sum(channels) < 3 * 128)


def test_pages_have_their_landmarks(browser: Chromium, archive: RunningArchive) -> None:
    """Who cannot see a page finds its parts: headings, pictures, fields and tables have names."""
    for link in every_page(browser, archive):
        browser.go(link)
        assert [1, 1, "en"] == browser.evaluate(
            "[document.querySelectorAll('h1').length, document.querySelectorAll('main').length,"
            " document.documentElement.lang]"
        )
        assert 0 == browser.evaluate("document.querySelectorAll('img:not([alt]), th:not([scope])').length")
        assert [] == browser.evaluate(
            "[...document.querySelectorAll('input:not([type=hidden])')]"
            ".filter(e => !e.labels.length).map(e => e.id)"
        )
        assert [] == browser.evaluate(
            "[...document.querySelectorAll('a, button')].filter(e => !(e.textContent.trim() || e.ariaLabel ||"
            " e.querySelector('img[alt]:not([alt=\"\"])'))).map(e => e.outerHTML)"
        )


def test_nothing_uploaded_runs(browser: Chromium, archive: RunningArchive) -> None:
    """Neither labels and notes nor files run a script, and no page asks another host for anything."""
    browser.requests.clear()
    browser.complaints.clear()
    find_task(browser, archive)
    browser.click(".crumbs li:nth-child(4) a")
    browser.go(f"{browser.address}/resources/EVIL/files/page.txt")
    assert ["", "<html>"] == [browser.evaluate("document.title"), browser.text("body")[:6]]
    hosts = {address.split("/")[2] for address in browser.requests if address.startswith("http")}
    assert {archive.url.partition("//")[2]} == hosts
    assert [] == browser.complaints


def test_logout_by_the_button(archive: RunningArchive, browser: Chromium) -> None:
    """The button ends the session: the next page is the form. (The last test of this file.)"""
    browser.go(f"{archive.url}/browse/")
    browser.click(".who button")
    browser.go(f"{archive.url}/browse/projects/P")
    assert f"{archive.url}/browse/login?next=/browse/projects/P" == browser.address
