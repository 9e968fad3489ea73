"""Shell scripts with the real curl, as a site writes them: log in, fill, fetch, change, delete.

The archive is asked by nothing but curl; what the tests compare is what a script would print.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.dicom import dicom
from support.fill import Fill, zip_bytes
from support.site import Site

#: What a script prints, without the newline at the end.
Script = Callable[[str], str]

_TIMEOUT_S = 300
_STATUS = "curl -s -o /dev/null -w '%{http_code}'"
SESSION = """<?xml version="1.0" encoding="UTF-8"?>
<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <xnat:date>2020-01-02</xnat:date>
  <xnat:note>a &amp; b</xnat:note>
  <xnat:scans><xnat:scan ID="7" type="T1" xsi:type="xnat:mrScanData"/></xnat:scans>
</xnat:MRSession>
"""
SEARCH = """<xdat:bundle xmlns:xdat="http://nrg.wustl.edu/security" ID="@xnat:subjectData">
  <xdat:root_element_name>xnat:subjectData</xdat:root_element_name>
  <xdat:search_field>
    <xdat:element_name>xnat:subjectData</xdat:element_name>
    <xdat:field_ID>SUBJECT_LABEL</xdat:field_ID>
    <xdat:sequence>0</xdat:sequence>
    <xdat:type>string</xdat:type>
    <xdat:header>Label</xdat:header>
  </xdat:search_field>
  <xdat:search_where method="AND">
    <xdat:criteria override_value_formatting="0">
      <xdat:schema_field>xnat:subjectData/PROJECT</xdat:schema_field>
      <xdat:comparison_type>=</xdat:comparison_type>
      <xdat:value>{}</xdat:value>
    </xdat:criteria>
  </xdat:search_where>
</xdat:bundle>
"""


@pytest.fixture
def script(site: Site, tmp_path: Path) -> Script:
    """Run a script with ``$URL``, ``$LOGIN`` (user:password) and ``fetch``, a curl that logs in."""
    if shutil.which("curl") is None and os.environ.get("CI") != "true":
        pytest.skip("curl is not installed: apt-get install curl")
    words = f"{site.user}:{site.password}"
    login = tmp_path / "login"
    quoted = words.replace("\\", "\\\\").replace('"', '\\"')
    login.write_text(f'user = "{quoted}"\n', encoding="utf-8")
    login.chmod(0o600)
    # a proxy and the settings of who runs the tests are no part of them
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment = {**kept, "URL": site.url, "LOGIN": words, "HOME": str(tmp_path), "CURL_HOME": str(tmp_path)}

    def run(text: str) -> str:
        whole = f'set -euo pipefail\nfetch() {{ curl -sSf -K login "$@"; }}\n{text}'
        done = subprocess.run(
            ["bash", "-c", whole],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        assert 0 == done.returncode, done.stderr.decode()
        return done.stdout.decode().rstrip("\n")

    return run


@pytest.fixture
def session(project: str, fill: Fill) -> str:
    """URI of a session with a scan that has two files."""
    uri = fill.session(project, "S1", "MR1", date="2020-01-02")
    fill.scan(uri, "1", type="T1")
    fill.files(f"{uri}/scans/1", "NIFTI", {"a.nii": b"1234", "sub/b.nii": b"56"})
    return uri


# -- logins --------------------------------------------------------------------------------------


def test_cookie_jar(script: Script) -> None:
    """A script logs in once, keeps the cookie, and logs out; then the cookie is worth nothing."""
    printed = script(
        'curl -sSf -u "$LOGIN" -c jar -o /dev/null "$URL/data/JSESSION"\n'
        'curl -sSf -b jar -o list.csv "$URL/data/projects?format=csv"\n'
        "head -n 1 list.csv | cut -d, -f1\n"
        'curl -sSf -b jar -X DELETE "$URL/data/JSESSION"\n'
        f'{_STATUS} -b jar "$URL/data/projects"\n'
    )
    assert "ID\n401" == printed


def test_netrc(script: Script, site: Site) -> None:
    """A job logs in by ``~/.netrc``, then works with the cookie alone and asks who else has a session."""
    host = urlsplit(site.url).hostname
    printed = script(
        f'echo "machine {host} login ${{LOGIN%%:*}} password ${{LOGIN#*:}}" > .netrc; chmod 600 .netrc\n'
        'cookie="Cookie: JSESSIONID=$(curl -sSf -n "$URL/data/JSESSION")"\n'
        'curl -sSf -H "$cookie" "$URL/data/projects?format=csv" > list; head -n 1 list | cut -c 1-2\n'
        'curl -sSf -H "$cookie" "$URL/data/user/${LOGIN%%:*}/sessions"\n'
    )
    assert re.fullmatch(r'ID\n\{"[^"]+": ?[1-9][0-9]*\}', printed)


def test_form_login(script: Script) -> None:
    """The form of logins answers the id of a session that is enough as a cookie."""
    printed = script(
        'id=$(curl -sSf -d "username=${LOGIN%%:*}" --data-urlencode "password=${LOGIN#*:}" '
        '"$URL/data/services/auth")\n'
        'curl -sSf -b "JSESSIONID=$id" "$URL/data/auth"\n'
    )
    assert printed.startswith("User '")


def test_token(script: Script) -> None:
    """An alias token stands for user and password until the script takes it out of use."""
    printed = script(
        'fetch "$URL/data/services/tokens/issue" > token\n'
        'word() { sed -E \'s/.*"\'$1\'":"([^"]+)".*/\\1/\' token; }\n'
        "token=$(word alias):$(word secret)\n"
        f'{_STATUS} -u "$token" "$URL/data/projects"; echo\n'
        'curl -sSf -u "$token" -o /dev/null "$URL/data/services/tokens/invalidate/${token/:/\\/}"\n'
        f'{_STATUS} -u "$token" "$URL/data/projects"\n'
    )
    assert "200\n401" == printed


# -- items ---------------------------------------------------------------------------------------


def test_fill(script: Script, project: str) -> None:
    """A script makes subject, session, scan and task, with values that need encoding, and reads them back."""
    place = f"$URL/data/projects/{project}/subjects/S1/experiments/MR1"
    printed = script(
        f'fetch -X PUT -o /dev/null "$URL/data/projects/{project}/subjects/S1?gender=female"\n'
        f'fetch -X PUT -G -o /dev/null "{place}" -d xsiType=xnat:mrSessionData -d date=2020-01-02 '
        "--data-urlencode 'xnat:mrSessionData/acquisition_site=Rome, 2nd + 3rd floor'\n"
        f'fetch -X PUT "{place}/scans/1?xsiType=xnat:mrScanData&type=T1&quality=usable"\n'
        f'fetch -X PUT -o /dev/null "{place}/assessors/A1?xsiType=proc:genProcData"\n'
        f'fetch -X PUT -o /dev/null "{place}/assessors/A1?proc:genProcData/procstatus=COMPLETE"\n'
        f'fetch "{place}/scans?format=csv&columns=ID,type,quality" | tail -n +2 | cut -d, -f2-4\n'
        f'fetch "{place}/assessors?format=csv&columns=ID,proc:genProcData/procstatus" | grep -o COMPLETE\n'
        f'fetch "{place}?format=xml" | grep -o "Rome, 2nd + 3rd floor"\n'
    )
    assert ["1,T1,usable", "COMPLETE", "Rome, 2nd + 3rd floor"] == printed.split("\n")


def test_named_value(script: Script, session: str) -> None:
    """The path of a custom variable is sent with its brackets and its equals sign encoded."""
    path = "xnat:mrSessionData/fields/field%5Bname%3Drater%5D/field"
    printed = script(
        f'fetch -X PUT -o /dev/null "$URL{session}?{path}=me"\n'
        f'fetch "$URL{session}?format=xml" | tr -d "\\n" | grep -oE \'<xnat:field name="rater">[^<]*me\'\n'
    )
    assert printed.endswith("me")


@pytest.mark.parametrize(
    "send",
    [
        "-X PUT -H 'Content-Type: text/xml' --data-binary @session.xml",
        "-H 'Content-Type: text/xml' -T session.xml",
        "-X PUT -F 'file=@session.xml;type=text/xml'",
    ],
)
def test_document(script: Script, project: str, tmp_path: Path, send: str) -> None:
    """A session with its scans is made by a document, in the body or as part of a form."""
    (tmp_path / "session.xml").write_text(SESSION, encoding="utf-8")
    place = f"$URL/data/projects/{project}/subjects/S1/experiments/MR1"
    printed = script(
        f"curl -sSf -K login {send} -o id -w '%{{http_code}}\\n' \"{place}\"\n"
        'fetch "$URL/data/experiments/$(cat id)/scans?format=csv&columns=ID" | tail -n 1 | cut -d, -f2\n'
    )
    assert "201\n7" == printed


def test_search(script: Script, session: str, project: str, tmp_path: Path) -> None:
    """A search is a document that is posted."""
    (tmp_path / "search.xml").write_text(SEARCH.format(project), encoding="utf-8")
    printed = script(
        "fetch -H 'Content-Type: text/xml' --data-binary @search.xml \"$URL/data/search?format=csv\" > out\n"
        "head -n 1 out | grep -o subject_label; tail -n 1 out | grep -o S1\n"
    )
    assert ("subject_label\nS1", True) == (printed, session.endswith("MR1"))


def test_delete(script: Script, session: str) -> None:
    """What a script deletes is gone, and asking for it ends curl with 22."""
    printed = script(
        f'fetch -X DELETE "$URL{session}?removeFiles=true"\n'
        f'fetch -o gone "$URL{session}?format=xml" 2> /dev/null || echo $?\n'
        "test ! -e gone\n"
    )
    assert "22" == printed


# -- files ---------------------------------------------------------------------------------------

CONTENT = bytes(range(256)) * 12_000


@pytest.mark.parametrize(
    "send",
    [
        '-T big.bin "{}/files/big.bin?inbody=true"',
        '-T big.bin -H "Content-Type: application/octet-stream" "{}/files/"',
        '-T - "{}/files/big.bin?inbody=true" < big.bin',
        '-X PUT --data-binary @big.bin "{}/files/big.bin?inbody=true"',
        '-H "Content-Type: application/octet-stream" --data-binary @big.bin "{}/files/big.bin"',
        '-F file=@big.bin "{}/files"',
        '-X PUT -F file=@big.bin "{}/files/big.bin"',
        '-F file=@big.zip "{}/files?extract=true"',
        '-T big.zip "{}/files/big.zip?inbody=true&extract=true"',
    ],
)
def test_upload(script: Script, session: str, tmp_path: Path, send: str) -> None:
    """A file of some megabytes arrives whole in all ways that curl sends files, announced or in chunks."""
    (tmp_path / "big.bin").write_bytes(CONTENT)
    (tmp_path / "big.zip").write_bytes(zip_bytes({"big.bin": CONTENT}))
    resource = f"$URL{session}/resources/R"
    printed = script(
        f"fetch {send.format(resource)}\n"
        f'fetch "{resource}/files?format=csv" | tail -n +2 | cut -d, -f1,2,9\n'
        f'fetch -o back "{resource}/files/big.bin"\n'
        "md5sum back | cut -d' ' -f1\n"
    )
    digest = hashlib.md5(CONTENT).hexdigest()
    assert f"big.bin,{len(CONTENT)},{digest}\n{digest}" == printed


def test_duplicate_is_told(script: Script, session: str, tmp_path: Path) -> None:
    """A second upload of a file is told in the answer's text, and made with ``overwrite=true``."""
    (tmp_path / "a.txt").write_text("one")
    uri = f"$URL{session}/resources/R/files/a.txt?inbody=true"
    printed = script(
        f'fetch -T a.txt "{uri}"\n'
        f'echo two > a.txt; fetch -T a.txt "{uri}"; echo\n'
        f'fetch -T a.txt "{uri}&overwrite=true"\n'
        f'fetch "$URL{session}/resources/R/files/a.txt"\n'
    )
    assert '{"duplicates":["a.txt"]}\ntwo' == printed


def test_download_by_the_list(script: Script, session: str) -> None:
    """A script fetches every file of a list by its address, and finds the digests of the list."""
    printed = script(
        f'fetch "$URL{session}/scans/ALL/files?format=csv" | tail -n +2 > list\n'
        'cut -d, -f3 list | while read -r uri; do fetch -O "$URL$uri"; done\n'
        'cut -d, -f1,9 list | while IFS=, read -r name md5; do echo "$md5  $name"; done | md5sum -c\n'
    )
    assert "a.nii: OK\nb.nii: OK" == printed


@pytest.mark.parametrize(("form", "unpack"), [("zip", "python3 -m zipfile -e"), ("tar.gz", "tar -xzf")])
def test_download_packed(script: Script, session: str, form: str, unpack: str) -> None:
    """``-OJ`` gives a packed download a name that ends as it should, and it unpacks."""
    into = "." if form == "zip" else ""
    printed = script(
        "mkdir in; cd in; cp ../login .\n"
        f'fetch -OJ "$URL{session}/scans/ALL/files?format={form}"\n'
        f"{unpack} *.{form} {into}\n"
        "find . -name '*.nii' | sed 's,.*/files/,,' | sort\n"
    )
    assert "a.nii\nsub/b.nii" == printed


def test_only_if_newer(script: Script, session: str) -> None:
    """A file that was fetched with its time is not sent again."""
    uri = f"$URL{session}/scans/1/resources/NIFTI/files/a.nii"
    printed = script(
        f'fetch -R -o a.nii "{uri}"\ncurl -sS -K login -z a.nii -o again -w \'%{{http_code}}\' "{uri}"\n'
    )
    assert "304" == printed


def test_delete_files(script: Script, session: str) -> None:
    """A script deletes a file and a resource by their addresses."""
    resource = f"$URL{session}/scans/1/resources/NIFTI"
    printed = script(
        f'fetch -X DELETE "{resource}/files/a.nii"\n'
        f'fetch "{resource}/files?format=csv" | tail -n +2 | cut -d, -f1\n'
        f'fetch -X DELETE "{resource}?removeFiles=true"\n'
        f'{_STATUS} -K login "{resource}/files"\n'
    )
    assert "b.nii\n404" == printed


@pytest.mark.parametrize(
    ("send", "more"),
    [
        ("-F image_archive=@dicom.zip", ""),
        ("--data-binary @dicom.zip", "&inbody=true"),
        ("-H 'Content-Type: application/zip' --data-binary @dicom.zip", "&inbody=true"),
    ],
)
def test_import(script: Script, site: Site, project: str, tmp_path: Path, *, send: str, more: str) -> None:
    """A zip of DICOM files becomes a session, at the address that is answered."""
    if site.process is None:
        pytest.skip("a real XNAT leaves what comes in its prearchive")
    (tmp_path / "dicom.zip").write_bytes(zip_bytes({"1.dcm": dicom(), "2.dcm": dicom(instance=2)}))
    goal = f"import-handler=DICOM-zip&project={project}&subject=S1&session=MR1{more}"
    printed = script(
        f'uri=$(fetch {send} "$URL/data/services/import?{goal}" | tr -d "\\r\\n")\n'
        'fetch "$URL$uri/scans/ALL/files?format=csv" | tail -n +2 | wc -l\n'
    )
    assert "2" == printed
