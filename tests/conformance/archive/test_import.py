"""Import of DICOM sessions. Only on the embedded archive: a real XNAT leaves what comes in its prearchive."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import xnat
from support.archive import RunningArchive
from support.dicom import dicom
from support.fill import zip_bytes
from support.rest import Rest
from support.site import new_project_id

IMPORT = "/data/services/import"
ZIP = {"import-handler": "DICOM-zip"}


@pytest.fixture
def client(embedded: RunningArchive) -> Iterator[Rest]:
    with Rest(embedded.url, embedded.auth) as rest:
        yield rest


@pytest.fixture
def place(client: Rest) -> str:
    """The id of a new project."""
    project = new_project_id()
    client.put(f"/data/projects/{project}").raise_for_status()
    return project


def packed(*files: bytes) -> bytes:
    return zip_bytes({f"some/where/{number}.IMA": content for number, content in enumerate(files)})


def send(client: Rest, body: bytes, **parameters: str) -> requests.Response:
    return client.send("POST", IMPORT, {**ZIP, **parameters}, data=body)


def test_session(client: Rest, place: str) -> None:
    """A zip becomes a session with scans, fields and a resource DICOM; the answer is its address."""
    body = packed(dicom(series=1), dicom(series=1, instance=2), dicom(series=2))
    answer = send(client, body, dest=f"/archive/projects/{place}/subjects/S/experiments/E")
    uri = f"/data/archive/projects/{place}/subjects/S/experiments/E"
    assert (200, uri) == (answer.status_code, answer.text.strip())
    fields = client.item(uri)
    assert ("2026-01-02", "03:04:05", "MRC1", "SIEMENS", "3.0", "MR", "Doe^Jane") == (
        *(fields["date"], fields["time"], fields["scanner"], fields["scanner/manufacturer"]),
        *(fields["fieldStrength"], fields["modality"], fields["dcmPatientName"]),
    )
    rows = client.rows(f"{uri}/scans")
    shown = [(row["ID"], row["type"], row["xsiType"], row["quality"]) for row in rows]
    expected = [(str(n), f"series {n}", "xnat:mrScanData", "usable") for n in (1, 2)]
    assert expected == shown
    scan = client.item(f"{uri}/scans/1")
    assert (2, 2000.5, 2.5, 1.5) == (
        *(scan["frames"], scan["parameters/tr"]),
        *(scan["parameters/voxelRes/x"], scan["parameters/voxelRes/y"]),
    )
    (resource,) = client.rows(f"{uri}/scans/1/resources")
    assert ("DICOM", "DICOM", "RAW", "2") == tuple(
        resource[name] for name in ("label", "format", "content", "file_count")
    )


def test_content(client: Rest, place: str) -> None:
    """The files come back as they were sent."""
    content = dicom()
    uri = send(client, packed(content), project=place).text.strip()
    (path,) = client.files(f"{uri}/scans/1/resources/DICOM")
    assert content == client.get(f"{uri}/scans/1/resources/DICOM/files/{path}").content


def tarred(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo("a.dcm")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("pack", "handler"), [(tarred, "DICOM-zip"), (bytes, "gradual-DICOM"), (packed, "SI")]
)
def test_forms(client: Rest, place: str, pack: Any, handler: str) -> None:
    """A tar and a single file are taken as well."""
    answer = send(client, pack(dicom()), **{"project": place, "import-handler": handler})
    assert (200, 1) == (answer.status_code, len(client.rows(f"{answer.text.strip()}/scans")))


def test_multipart(client: Rest, place: str) -> None:
    """The file may be part of a form."""
    answer = client.send("POST", IMPORT, {**ZIP, "project": place}, files={"f": ("x.zip", packed(dicom()))})
    assert (200, f"/data/archive/projects/{place}/subjects/Doe_Jane/experiments/jane_01") == (
        answer.status_code,
        answer.text.strip(),
    )


@pytest.mark.parametrize("header", ["PatientComments", "StudyDescription"])
def test_names_from_the_headers(client: Rest, place: str, header: str) -> None:
    """Without names in the request a comment in the headers routes the session."""
    comment = f"Project: {place} Subject: sub-1 Session: ses-1"
    answer = send(client, packed(dicom("1", 1, 1, **{header: comment})))
    assert f"/data/archive/projects/{place}/subjects/sub-1/experiments/ses-1" == answer.text.strip()


def test_two_studies(client: Rest, place: str) -> None:
    """Two studies become two sessions, unless one name is given for both."""
    body = packed(dicom(study="a", PatientID="a"), dicom(study="b", PatientID="b"))
    refused = send(client, body, project=place, session="E")
    answer = send(client, body, project=place)
    assert (422, ["a", "b"]) == (
        refused.status_code,
        [uri.rpartition("/")[2] for uri in answer.text.split()],
    )


def test_series_of_one_number(client: Rest, place: str) -> None:
    """Two series of one number are two scans."""
    body = packed(dicom(), dicom(series=2, SeriesNumber=1))
    uri = send(client, body, project=place).text.strip()
    assert ["1", "1-MR1"] == [row["ID"] for row in client.rows(f"{uri}/scans")]


def test_history(embedded: RunningArchive, client: Rest, place: str) -> None:
    """Each session of an import has it in its history, and in the log; so has a subject that is new."""
    body = packed(dicom(study="a", PatientID="a"), dicom(study="b", PatientID="b"))
    uris = send(client, body, project=place).text.split()
    subject = client.item(uris[0].partition("/experiments/")[0])["ID"]
    sessions = [client.item(uri)["ID"] for uri in uris]
    assert [subject, *sessions] == [entry["item"] for entry in embedded.write_log()[-3:]]
    events = [client.get(f"{uri}/history").json()["events"] for uri in uris]
    assert [["Transferred"], ["Transferred"]] == [[each["event_action"] for each in one] for one in events]


def test_pet(client: Rest, place: str) -> None:
    """The types of session and scans follow the modalities."""
    body = packed(dicom(Modality="CT"), dicom(series=2, Modality="PT"), dicom(series=3, Modality="SR"))
    uri = send(client, body, project=place).text.strip()
    types = [row["xsiType"] for row in client.rows(f"{uri}/scans")]
    assert ["xnat:ctScanData", "xnat:petScanData", "xnat:otherDicomScanData"] == types
    (session,) = client.rows(f"/data/projects/{place}/experiments")
    assert "xnat:petSessionData" == session["xsiType"]


def test_again(client: Rest, place: str) -> None:
    """A known session is refused, or gets what is new, or has its files replaced."""
    first, second = dicom(), dicom(instance=2)
    uri = send(client, packed(first), project=place).text.strip()
    changed = dicom(SeriesDescription="changed")
    statuses = [
        send(client, packed(first), project=place, overwrite=policy).status_code
        for policy in ("none", "nonsense")
    ]
    send(client, packed(changed, second), project=place, overwrite="append").raise_for_status()
    resource = f"{uri}/scans/1/resources/DICOM"
    appended = {client.get(f"{resource}/files/{path}").content for path in client.files(resource)}
    send(client, packed(changed), project=place, overwrite="delete").raise_for_status()
    replaced = {client.get(f"{resource}/files/{path}").content for path in client.files(resource)}
    assert ([409, 400], {first, second}, {changed, second}) == (statuses, appended, replaced)


@pytest.mark.parametrize(
    ("body", "parameters", "status"),
    [
        (b"no dicom", {}, 422),
        (b"", {}, 422),
        (b"PK no zip", {}, 400),
        (zip_bytes({}), {}, 422),
        (packed(dicom(), b"a note"), {}, 422),
        (packed(dicom()), {"import-handler": "XAR"}, 405),
        (packed(dicom()), {"project": "NoSuchProject"}, 422),
        (packed(dicom(PatientName="", PatientID="")), {}, 422),
    ],
)
def test_refused(client: Rest, place: str, body: bytes, parameters: dict[str, str], status: int) -> None:
    """What cannot be imported is refused, and leaves nothing behind."""
    answer = send(client, body, **{"project": place, **parameters})
    assert (status, []) == (answer.status_code, client.rows(f"/data/projects/{place}/subjects"))


def test_other_files_are_left_out(client: Rest, place: str) -> None:
    """Files that are no DICOM images are left out when the client says so."""
    body = packed(dicom(), b"a note")
    assert 200 == send(client, body, **{"project": place, "Ignore-Unparsable": "true"}).status_code


def test_xnatpy(embedded: RunningArchive, client: Rest, place: str, tmp_path: Path) -> None:
    """Xnatpy's import gives back the session."""
    file = tmp_path / "session.zip"
    file.write_bytes(packed(dicom(), dicom(series=2)))
    with xnat.connect(
        embedded.url, user=embedded.user, password=embedded.password, loglevel="ERROR"
    ) as session:
        found = session.services.import_(file, project=place, subject="S", experiment="E")
        assert ("E", ["1", "2"]) == (found.label, [scan.id for scan in found.scans.values()])
    assert [("S", "E")] == [
        (row["subject_label"], row["label"])
        for row in client.rows(f"/data/projects/{place}/experiments", {"columns": "subject_label,label"})
    ]


def test_right(embedded: RunningArchive, client: Rest, place: str) -> None:
    """Who may only read a project imports nothing into it."""
    login = f"u{place.lower()}"
    account = {"username": login, "password": "a password"}
    client.http.post(f"{client.url}/xapi/users", json=account, timeout=60).raise_for_status()
    client.put(f"/data/projects/{place}/users/Collaborators/{login}").raise_for_status()
    with Rest(embedded.url, (login, "a password")) as reader:
        assert 403 == send(reader, packed(dicom()), project=place).status_code
