"""Just enough WebDriver to look at pages in headless Chromium: chromedriver over HTTP, no library."""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--mute-audio",
    "--hide-scrollbars",
    "--force-prefers-reduced-motion",  # pages jump instead of gliding, so that a click meets what it is meant for
    "--proxy-server=127.0.0.1:9",  # no network: whatever asks for it is an error in the console
)


def available() -> bool:
    """Whether there is a browser, and the program that steers it."""
    return bool(shutil.which("chromedriver") and (shutil.which("chromium") or shutil.which("google-chrome")))


class Browser:
    """A window of headless Chromium. Used as a context."""

    def __init__(self, width: int = 1360, height: int = 900, *, dark: bool = False, downtime: float = 30.0) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._base = f"http://127.0.0.1:{port}"
        self._patience = downtime
        self._process = subprocess.Popen(
            ["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._wait_for_driver()
        binary = shutil.which("chromium") or shutil.which("google-chrome")
        arguments = [*_ARGUMENTS, f"--window-size={width},{height}"]
        if dark:
            arguments.append("--blink-settings=preferredColorScheme=0")
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": binary, "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        session = self._send("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{session['sessionId']}"

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._send("DELETE", self._session)
        finally:
            self._process.terminate()
            self._process.wait(10)

    def open(self, path: Path, view: str = "") -> None:
        """Open a file, or one view of it, and wait until it is loaded."""
        self._send("POST", f"{self._session}/url", {"url": "about:blank"})
        self._send("POST", f"{self._session}/url", {"url": path.resolve().as_uri() + (view and f"#{view}")})

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a function body in the page and give what it returns."""
        return self._send("POST", f"{self._session}/execute/sync", {"script": script, "args": list(arguments)})

    def click(self, selector: str) -> None:
        """Click the first element that a CSS selector finds, as a user would."""
        self.run("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector)
        found = self._send("POST", f"{self._session}/element", {"using": "css selector", "value": selector})
        self._send("POST", f"{self._session}/element/{found[_ELEMENT]}/click", {})

    def keys(self, selector: str, text: str) -> None:
        """Type into an element."""
        found = self._send("POST", f"{self._session}/element", {"using": "css selector", "value": selector})
        self._send("POST", f"{self._session}/element/{found[_ELEMENT]}/value", {"text": text})

    def drag(self, selector: str, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag with the mouse between two places of an element, given as shares of its width and height."""
        middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        first, *others = self._moves(selector, start, middle, end)
        self._mouse(first, {"type": "pointerDown", "button": 0}, *others, {"type": "pointerUp", "button": 0})

    def point(self, selector: str, place: tuple[float, float]) -> None:
        """Move the mouse to a place of an element, given as shares of its width and height."""
        self._mouse(*self._moves(selector, place))

    def _moves(self, selector: str, *places: tuple[float, float]) -> list[dict[str, Any]]:
        x, y, w, h = self.run(
            "const element = document.querySelector(arguments[0]); element.scrollIntoView({block: 'center'});"
            "const box = element.getBoundingClientRect(); return [box.x, box.y, box.width, box.height]",
            selector,
        )
        move = {"type": "pointerMove", "duration": 0, "origin": "viewport"}
        return [move | {"x": round(x + across * w), "y": round(y + down * h)} for across, down in places]

    def _mouse(self, *actions: dict[str, Any]) -> None:
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": actions}
        self._send("POST", f"{self._session}/actions", {"actions": [mouse]})

    def phone(self, width: int = 390, height: int = 844) -> None:
        """Show the pages as a phone does."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True}
        self._command("Emulation.setDeviceMetricsOverride", screen)

    def media(self, kind: str = "", *, dark: bool = False) -> None:
        """Show the pages as they are printed ("print"), or in dark colors."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._command("Emulation.setEmulatedMedia", {"media": kind, "features": [scheme]})

    def _command(self, name: str, parameters: dict[str, Any]) -> None:
        self._send("POST", f"{self._session}/goog/cdp/execute", {"cmd": name, "params": parameters})

    def until(self, script: str, seconds: float = 20.0) -> Any:
        """Wait until an expression is true in the page."""
        deadline = time.monotonic() + seconds
        while not (value := self.run(f"return {script}")):
            if time.monotonic() > deadline:
                raise AssertionError(f"never true: {script}")
            time.sleep(0.05)
        return value

    def console(self) -> list[str]:
        """Warnings and errors since it was last asked."""
        lines = self._send("POST", f"{self._session}/se/log", {"type": "browser"})
        return [line["message"] for line in lines if line["level"] in ("SEVERE", "WARNING")]

    def screenshot(self, path: Path) -> None:
        """Save what is seen as PNG."""
        path.write_bytes(base64.b64decode(self._send("GET", f"{self._session}/screenshot")))

    def _wait_for_driver(self) -> None:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                self._send("GET", "/status")
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def _send(self, method: str, address: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._base + address, data, {"Content-Type": "application/json"}, method=method
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"]) from error
