"""For tests of the archive's pages: a page's text, what stands in it, roles, and what an attacker uploads."""

from __future__ import annotations

from html.parser import HTMLParser

from support.rest import Rest

PASSWORD = "a password for tests"
HOSTILE = "<script>alert(1)</script>"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


class Links(HTMLParser):
    """Collects the addresses in a page, and what it has that could run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.running: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"href", "src", "data", "action"}:
                self.links.append(value or "")
            if name.startswith("on") or (value or "").startswith("javascript:"):
                self.running.append(f"{tag} {name}")
        if tag == "script":
            self.running.append(tag)


def role(admin: Rest, project: str, name: str, client: Rest) -> None:
    admin.put(f"/data/projects/{project}/users/{name}/{client.http.headers['X-Login']!s}").raise_for_status()


def page(client: Rest, uri: str, **parameters: str) -> str:
    answer = client.http.get(f"{client.url}{uri}", params=parameters, timeout=120)
    assert 200 == answer.status_code, answer.text
    return answer.text
