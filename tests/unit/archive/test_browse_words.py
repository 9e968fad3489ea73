"""How pages say values, and what they make of addresses: tables over pure functions."""

from __future__ import annotations

import pytest

from cci.archive.browse import words
from cci.archive.browse.guard import is_own_form
from cci.archive.browse.inline import Form, form_of, headers, media_type
from cci.archive.browse.links import data, is_local, with_query
from cci.archive.browse.pager import page
from cci.archive.browse.sheet import read_sheet
from cci.status import BAD_QC, QcStatus, Status


@pytest.mark.parametrize(
    ("count", "spelt"),
    [
        *((0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1.0 kB"), (14_376_790, "14.4 MB")),
        *((99_950, "100 kB"), (999_600, "1.0 MB"), (3 * 10**12, "3.0 TB"), (10**19, "10000 PB")),
    ],
)
def test_size(count: int, spelt: str) -> None:
    """Sizes have three figures at most where a unit allows it."""
    assert spelt == words.size(count)


def test_number_has_its_noun() -> None:
    """One thing is singular; thousands are set apart."""
    assert ["1 scan", "0 scans", "10\u202f000 scans"] == [words.number(n, "scan") for n in (1, 0, 10_000)]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("date", "Date"),
        ("scanner/manufacturer", "Scanner manufacturer"),
        ("parameters/voxelRes/x", "Parameters voxel size x"),
        ("fieldStrength", "Field strength"),
        ("UID", "UID"),
        ("procversion", "Processor version"),
        ("demographics/dob", "Demographics date of birth"),
        ("fields/field[name=cputimeused]/field", "cputimeused"),
    ],
)
def test_field_name(path: str, name: str) -> None:
    """A field is called what people call it, a custom variable what its author called it."""
    assert name == words.field_name(path)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        *(("1.6033692074519887", "1.60337"), ("1908.387", "1908.387"), ("123456789012", "123456789012")),
        *(("-0.000012345678", "-1.23457e-05"), ("2026-01-02", "2026-01-02"), ("", "")),
    ],
)
def test_figures(text: str, shown: str) -> None:
    """Numbers have six figures, except whole ones, which may be ids."""
    assert shown == words.figures(text)


def test_plain_takes_back_one_escape() -> None:
    """What XNAT escaped is read back once: what a writer had escaped already stays escaped."""
    assert ["<b>", "&lt;", '"'] == [words.plain(text) for text in ("&lt;b&gt;", "&amp;lt;", "&quot;")]


def test_order_is_that_of_people() -> None:
    """Numbers inside of names count as numbers, however odd they are."""
    names = ["scan 10", "scan 2", "Scan 1", "9" * 30, "²", ""]
    assert ["", "9" * 30, "Scan 1", "scan 2", "scan 10", "²"] == sorted(names, key=words.natural)


def test_every_status_of_ours_has_a_tone() -> None:
    """Statuses, QC statuses and qualities that the product writes or obeys have a colour of their own."""
    named = [*Status, *QcStatus, *BAD_QC, "usable", "questionable", "unusable"]
    assert ["Job Pending"] == [each for each in named if not words.tone(each)]
    assert ("good", "bad", "") == tuple(words.tone(each) for each in ("COMPLETE", "job_error", "whatever"))


@pytest.mark.parametrize("text", ["", "{", "[]", "plain", "[" * 100_000, "{" * 100_000])
def test_odd_inputs_name_no_scan(text: str) -> None:
    """What is no JSON object names no scan, and is shown as it is."""
    assert ("", text) == (words.scan_of(text), words.laid_out(text))


def test_inputs_name_their_scan() -> None:
    """The scan of a task is in its inputs, which are laid out for reading."""
    text = '{"scan":"3-MR1"}'
    assert ("3-MR1", '{\n  "scan": "3-MR1"\n}') == (words.scan_of(text), words.laid_out(text))


# -- files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "form", "kind"),
    [
        ("a/b.PNG", Form.PICTURE, "image/png"),
        ("x.jpeg", Form.PICTURE, "image/jpeg"),
        ("report.pdf", Form.DOCUMENT, "application/pdf"),
        ("stats.csv", Form.TEXT, "text/plain; charset=utf-8"),
        ("run.sh", Form.TEXT, "text/plain; charset=utf-8"),
    ],
)
def test_shown_files(name: str, form: Form, kind: str) -> None:
    """Pictures, PDF and text are shown, with a type from our list."""
    assert (form, kind) == (form_of(name), media_type(name))
    assert "nosniff" == headers(name)["X-Content-Type-Options"]


@pytest.mark.parametrize(
    "name", ["a.html", "a.svg", "a.xml", "a.xhtml", "a.js", "a.nii.gz", "png", "a.png/b", "", ".htm", "a.mht"]
)
def test_files_that_are_downloads(name: str) -> None:
    """What could run a script, and what a browser does not know, is not shown."""
    assert form_of(name) is None


def test_only_pdf_is_outside_of_the_sandbox() -> None:
    """A viewer of PDF does not start in a sandbox; nothing else may leave it."""
    policies = {name: headers(name)["Content-Security-Policy"] for name in ("a.png", "a.txt", "a.pdf")}
    assert {"a.png": True, "a.txt": True, "a.pdf": False} == {
        name: policy.startswith("sandbox;") for name, policy in policies.items()
    }
    assert all("default-src 'none'" in policy for policy in policies.values())


# -- tables -----------------------------------------------------------------------------------------


def test_sheet() -> None:
    """A CSV file is a table whose rows are as long as its header; columns of numbers are known."""
    sheet = read_sheet(b"\xef\xbb\xbfname,value\nfa,0.5\nsnr\n,7,8\n")
    assert sheet is not None
    assert ("name", "value") == sheet.header
    assert (("fa", "0.5"), ("snr", ""), ("", "7")) == sheet.rows
    assert ((False, True), True) == (sheet.numeric, sheet.whole)


@pytest.mark.parametrize("content", [b"", b"only,a,header\n", b"\n\n", b'a\n"' + b"x" * 200_000])
def test_no_sheet(content: bytes) -> None:
    """What has no rows, or cannot be read, is no table."""
    assert read_sheet(content) is None


def test_long_sheet_is_cut() -> None:
    """A large file gives its beginning, without a half line, and says so."""
    sheet = read_sheet(b"a\n1\n2\n34", cut=True)
    many = read_sheet(b"a\n" + b"1\n" * 500)
    assert sheet is not None
    assert many is not None
    assert ((("1",), ("2",)), False) == (sheet.rows, sheet.whole)
    assert (200, False) == (len(many.rows), many.whole)


def test_binary_content_is_harmless() -> None:
    """Bytes that are no text give a table of replacement signs, or none, and no error."""
    sheet = read_sheet(bytes(range(256)) * 4)
    assert sheet is None or len(sheet.header) <= 40


# -- addresses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("/browse/", True),
        ("/browse/projects/P?q=a&page=2", True),
        ("/browse/projects/P?next=//x", True),
        *(
            (address, False)
            for address in ("", "/", "/data/projects", "//evil.org/browse/", "https://evil.org")
        ),
        *(
            (address, False)
            for address in ("/browse//evil.org", "/browse/\\evil", "/browse/\nSet-Cookie: a=b")
        ),
        *((address, False) for address in ("javascript:alert(1)", "/browse/ä", " /browse/")),
    ],
)
def test_where_a_login_leads(address: str, *, local: bool) -> None:
    """After a login the browser is sent to a page of ours and nowhere else."""
    assert local is is_local(address)


def test_links() -> None:
    """Pages and the REST interface differ in how addresses begin; empty parameters are left out."""
    assert "/data/projects/P" == data("/browse/projects/P")
    assert "/browse/?q=a+%26b&page=2" == with_query("/browse/", q="a &b", status="", page=2)
    assert "/browse/" == with_query("/browse/", q="")


@pytest.mark.parametrize(
    ("total", "wanted", "number", "offset", "before", "after"),
    [
        (0, "", 1, 0, "", ""),
        (10, "1", 1, 0, "", ""),
        (11, "", 1, 0, "", "/x?q=a&page=2"),
        (25, "2", 2, 10, "/x?q=a&page=1", "/x?q=a&page=3"),
        (25, "99", 3, 20, "/x?q=a&page=2", ""),
        *((25, odd, 1, 0, "", "/x?q=a&page=2") for odd in ("-1", "0", "x", "1" * 40, "²", "1; drop")),
    ],
)
def test_pager(total: int, wanted: str, number: int, *, offset: int, before: str, after: str) -> None:
    """A screen that is not there is the nearest one; what is no number is the first."""
    shown = page(total, 10, wanted, "/x", q="a")
    assert (number, offset, before, after) == (shown.number, shown.offset, shown.before, shown.after)


@pytest.mark.parametrize(
    ("sent", "own"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site", "origin": "http://a:1", "host": "a:1"}, False),
        ({"origin": "http://a:1", "host": "a:1"}, True),
        ({"origin": "http://evil.org", "host": "a:1"}, False),
        ({"origin": "null", "host": "a:1"}, False),
        ({"host": "a:1"}, True),
    ],
)
def test_whose_form(sent: dict[str, str], *, own: bool) -> None:
    """A form from another site is known by what the browser says of it; a program says nothing."""
    assert own is is_own_form(sent)
