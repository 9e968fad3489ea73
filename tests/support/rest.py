"""A plain REST client for tests: what `curl` would send, and tables read back. No retries, no cleverness."""

from __future__ import annotations

import csv
import io
from typing import Any, Self

import requests

_TIMEOUT_S = 120

Row = dict[str, str]


class Rest:
    """Sends requests to one archive with one login; URIs begin with a slash."""

    def __init__(self, url: str, auth: tuple[str, str] | None = None) -> None:
        self.url = url
        self.http = requests.Session()
        self.http.auth = auth

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def send(
        self,
        method: str,
        uri: str,
        parameters: dict[str, str] | None = None,
        *,
        data: bytes | str | dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        files: dict[str, tuple[str, bytes]] | None = None,
    ) -> requests.Response:
        """Send a request and return its answer, whatever its status."""
        return self.http.request(
            method,
            f"{self.url}{uri}",
            params=parameters,
            data=data,
            headers=headers,
            files=files,
            timeout=_TIMEOUT_S,
            allow_redirects=False,
        )

    def get(self, uri: str, parameters: dict[str, str] | None = None) -> requests.Response:
        """Send a GET."""
        return self.send("GET", uri, parameters)

    def put(
        self, uri: str, parameters: dict[str, str] | None = None, data: bytes | str | None = None
    ) -> requests.Response:
        """Send a PUT."""
        return self.send("PUT", uri, parameters, data=data)

    def delete(self, uri: str, parameters: dict[str, str] | None = None) -> requests.Response:
        """Send a DELETE."""
        return self.send("DELETE", uri, parameters)

    def upload(self, resource: str, path: str, content: bytes, **parameters: str) -> requests.Response:
        """PUT a file into the resource at this URI."""
        return self.put(f"{resource}/files/{path}", {"inbody": "true", **parameters}, content)

    def rows(self, uri: str, parameters: dict[str, str] | None = None) -> list[Row]:
        """Return the rows of a JSON table."""
        answer = self.get(uri, {**(parameters or {}), "format": "json"})
        answer.raise_for_status()
        return list(answer.json()["ResultSet"]["Result"])

    def csv(self, uri: str, parameters: dict[str, str] | None = None) -> tuple[list[str], list[Row]]:
        """Return header and rows of a CSV table."""
        answer = self.get(uri, {**(parameters or {}), "format": "csv"})
        answer.raise_for_status()
        reader = csv.DictReader(io.StringIO(answer.text))
        rows = list(reader)
        return list(reader.fieldnames or []), rows

    def item(self, uri: str) -> dict[str, Any]:
        """Return the fields of an item's JSON document."""
        answer = self.get(uri, {"format": "json"})
        answer.raise_for_status()
        return dict(answer.json()["items"][0]["data_fields"])

    def files(self, resource: str) -> dict[str, Row]:
        """Return the file rows of a resource, by path inside it."""
        return {row["URI"].partition("/files/")[2]: row for row in self.rows(f"{resource}/files")}
