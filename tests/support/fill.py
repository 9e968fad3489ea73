"""Put things into an archive for a test, through plain REST requests. It knows nothing of `cci.xnat`.

::

    fill = Fill(archive.url, archive.auth)
    session = fill.session("P1", "S1", "MR1")            # makes project and subject too
    scan = fill.scan(session, "301", type="T1", quality="usable")
    fill.files(scan, "NIFTI", {"t1.nii.gz": b"..."})
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from typing import Self
from urllib.parse import quote

import requests

_TIMEOUT_S = 120


def md5(content: bytes) -> str:
    """Return the MD5 digest of a content, in lower-case hex."""
    return hashlib.md5(content).hexdigest()


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """Return a zip archive with these files, by path."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return buffer.getvalue()


class Fill:
    """Creates projects, subjects, sessions, scans, assessors and files.

    Every method raises `requests.HTTPError` when the archive refuses. Methods that create an item return
    its URI below the archive's base address (``/data/projects/…``), which the others take as *parent*.
    Field names are aliases or xpaths; write ``**{"xnat:mrSessionData/note": "…"}`` for the latter.
    """

    def __init__(self, url: str, auth: tuple[str, str]) -> None:
        self.url = url
        self.http = requests.Session()
        self.http.auth = auth

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def put(
        self, uri: str, parameters: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> requests.Response:
        """Send a PUT and return its answer."""
        answer = self.http.put(f"{self.url}{uri}", params=parameters, data=body, timeout=_TIMEOUT_S)
        answer.raise_for_status()
        return answer

    def project(self, project: str, **fields: str) -> str:
        """Create or update a project."""
        uri = f"/data/projects/{quote(project, safe='')}"
        self.put(uri, fields)
        return uri

    def subject(self, project: str, subject: str, **fields: str) -> str:
        """Create or update a subject and its project."""
        uri = f"{self.project(project)}/subjects/{quote(subject, safe='')}"
        self.put(uri, fields)
        return uri

    def session(
        self,
        project: str,
        subject: str,
        session: str,
        *,
        xsi_type: str = "xnat:mrSessionData",
        **fields: str,
    ) -> str:
        """Create or update a session, its subject and its project."""
        uri = f"{self.subject(project, subject)}/experiments/{quote(session, safe='')}"
        self.put(uri, {"xsiType": xsi_type, **fields})
        return uri

    def scan(self, session: str, scan: str, *, xsi_type: str = "xnat:mrScanData", **fields: str) -> str:
        """Create or update a scan of the session at URI *session*."""
        uri = f"{session}/scans/{quote(scan, safe='')}"
        self.put(uri, {"xsiType": xsi_type, **fields})
        return uri

    def assessor(self, session: str, label: str, *, xsi_type: str = "proc:genProcData", **fields: str) -> str:
        """Create or update an assessor of the session at URI *session*; fields may lack the type's prefix."""
        uri = f"{session}/assessors/{quote(label, safe='')}"
        full = {name if ":" in name else f"{xsi_type}/{name}": value for name, value in fields.items()}
        self.put(uri, {"xsiType": xsi_type, **full})
        return uri

    def files(self, parent: str, resource: str, files: Mapping[str, bytes], **parameters: str) -> str:
        """Upload files into a resource of *parent* as one zip; the resource is made if missing."""
        uri = f"{parent}/resources/{quote(resource, safe='')}"
        target = f"{uri}/files/upload.zip"
        self.put(target, {"inbody": "true", "extract": "true", **parameters}, zip_bytes(files))
        return uri
