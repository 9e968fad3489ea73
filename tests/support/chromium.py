"""A real Chromium without a window, for tests of pages: go, look, click, type, take a picture.

It is driven by the DevTools protocol over two pipes (``--remote-debugging-pipe``: file descriptors 3 and 4,
messages end in a NUL byte), so no driver and no port are needed. https://chromedevtools.github.io/devtools-protocol/

::

    with chromium(tmp_path) as browser:
        browser.go(f"{archive.url}/browse/")
        assert "Projects" == browser.text("h1")
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_TIMEOUT_S = 60
_OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--no-proxy-server"),
)


def program() -> str:
    """Return the path of Chromium; without one the test is skipped, on a build machine it fails."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        why = "Chromium is not installed (apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    return found


@dataclass
class Chromium:
    """A browser with one page. *requests* are what it asked for, *complaints* what its console says."""

    process: subprocess.Popen[bytes]
    _to: int
    _from: int
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    _buffer: bytes = b""
    _number: int = 0
    _session: str = ""
    _events: list[str] = field(default_factory=list)

    # -- what a person does --------------------------------------------------------------------

    def go(self, address: str) -> None:
        """Open an address and wait until all of it is there."""
        self._loading(lambda: self.call("Page.navigate", url=address))

    def click(self, selector: str) -> None:
        """Click on what a CSS selector finds first, and wait for the page that this opens."""
        self._loading(lambda: self.evaluate(f"document.querySelector({json.dumps(selector)}).click()"))

    def type(self, selector: str, text: str) -> None:
        """Type into a field."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        self.call("Input.insertText", text=text)

    def screen(self, width: int, height: int, *, dark: bool = False) -> None:
        """Be a screen of this size, light or dark."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    # -- what a person sees --------------------------------------------------------------------

    def text(self, selector: str) -> str:
        """Return the visible text of what a selector finds first; empty if it finds nothing."""
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def texts(self, selector: str) -> list[str]:
        """Return the visible text of everything that a selector finds."""
        return list(
            self.evaluate(f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.innerText)")
        )

    @property
    def address(self) -> str:
        """Where the browser is."""
        return str(self.evaluate("location.href"))

    def evaluate(self, expression: str) -> Any:
        """Run JavaScript from outside of the page's own policy, and return what it gives."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Write what is on the screen, or the *whole* page, as PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole, **self._clip(whole=whole))
        path.write_bytes(base64.b64decode(shot["data"]))

    def _clip(self, *, whole: bool) -> dict[str, Any]:
        if not whole:
            return {}
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}

    # -- the protocol --------------------------------------------------------------------------

    def call(self, method: str, **parameters: Any) -> Any:
        """Send a command of the protocol and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + _TIMEOUT_S
        while True:
            answer = self._read(end)
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def attach(self) -> None:
        """Open the one page."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def _loading(self, act: Any) -> None:
        self._events.clear()
        act()
        end = time.monotonic() + _TIMEOUT_S
        while "Page.loadEventFired" not in self._events:
            self._read(end)

    def _read(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError(f"Chromium did not answer in {_TIMEOUT_S} s")
            part = os.read(self._from, 1 << 20)
            if not part:
                raise RuntimeError("Chromium has ended")
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        self._keep(message)
        return message

    def _keep(self, message: dict[str, Any]) -> None:
        method, what = message.get("method", ""), message.get("params", {})
        self._events.append(method)
        if method == "Network.requestWillBeSent":
            self.requests.append(what["request"]["url"])
        elif method == "Log.entryAdded":
            self.complaints.append(what["entry"]["text"])
        elif method == "Page.javascriptDialogOpening":
            self.complaints.append(f"a dialog: {what['message']}")


@contextmanager
def chromium(folder: Path) -> Iterator[Chromium]:
    """Run a browser until the block ends; it keeps what it has to keep in *folder*."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    command = [program(), *_OPTIONS, "--remote-debugging-pipe", f"--user-data-dir={folder / 'chromium'}"]
    # the shell gives the pipes the numbers that the browser expects
    shell = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", shell, "chromium", *command],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "HOME": str(folder)},
        )
    os.close(theirs_in)
    os.close(theirs_out)
    browser = Chromium(process, ours_out, ours_in)
    try:
        browser.attach()
        yield browser
    finally:
        os.close(ours_out)
        os.close(ours_in)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
