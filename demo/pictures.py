"""`python -m demo.pictures DIRECTORY`: the documentation's pictures, taken of a running demo.

In: Debian's chromium, driven by Playwright. Out: the page in light and dark as WebP, the terminal's
live view and account as SVG. Nothing in them is drawn by hand.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright
from rich.console import Console

from demo import draw
from demo.system import running
from demo.view import PLAIN_COLUMNS, View
from demo.watch import Watch

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from rich.console import RenderableType

    from demo.picture import Picture

TRAFFIC_SECONDS = 60.0
WIDTH, HEIGHT = 1280, 900
COLUMNS = 92
"""Of the terminal: as wide as what is drawn in it."""
WEBP_QUALITY = 82
BYTES_MAX = 150_000
"""Of one picture: a README has to be quick."""
_WEB_FONT = re.compile(r"@font-face \{.*?\}", re.DOTALL)


class Last(View):
    """Keeps the last moment, and says the rest."""

    picture: Picture

    def show(self, picture: Picture) -> None:
        """Keep a moment."""
        self.picture = picture


def main(directory: Path) -> None:
    """Run the demo for a minute and take all pictures; raises ValueError for one too large."""
    directory.mkdir(exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="portless-demo-"))
    view = Last(Console(highlight=False, width=PLAIN_COLUMNS))
    try:
        with running(place, view.step) as system, sync_playwright() as playwright:
            flags = ["--no-sandbox"] if os.geteuid() == 0 else []
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=flags
            )
            pages = {
                scheme: _open(browser, scheme, system.page_url) for scheme in ("light", "dark")
            }
            system.start_publishing()
            watch = Watch(system, view)
            watch.traffic(TRAFFIC_SECONDS, lambda: False)
            for scheme, page in pages.items():
                _keep(directory / f"page-{scheme}.webp", _photograph(page))
            browser.close()
            _keep(directory / "demo.svg", _drawn(draw.picture(view.picture), "make demo"))
            system.stop_publishing()
            watch.rest()
            system.stop_workers()
            account = watch.account()
        _keep(directory / "account.svg", _drawn(draw.account(account), "make demo"))
    finally:
        shutil.rmtree(place)


def _open(browser: Browser, scheme: str, url: str) -> Page:
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": WIDTH, "height": HEIGHT},
        device_scale_factor=1,
    )
    page = context.new_page()
    page.goto(url)
    return page


def _photograph(page: Page) -> bytes:
    """Take the whole page, however long it is."""
    page.wait_for_timeout(2500)  # until it has asked once more
    height = page.evaluate("document.documentElement.scrollHeight")
    found = page.context.new_cdp_session(page).send(
        "Page.captureScreenshot",
        {
            "format": "webp",
            "quality": WEBP_QUALITY,
            "captureBeyondViewport": True,
            "clip": {"x": 0, "y": 0, "width": WIDTH, "height": height, "scale": 1},
        },
    )
    return base64.b64decode(found["data"])


def _drawn(what: RenderableType, title: str) -> bytes:
    """Draw what a terminal would show; a font of the reader's own is good enough."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(what)
        svg = console.export_svg(title=title, unique_id="demo")
    return _WEB_FONT.sub("", svg).encode()


def _keep(file: Path, data: bytes) -> None:
    if len(data) > BYTES_MAX:
        raise ValueError(f"{file.name} has {len(data)} bytes, more than {BYTES_MAX}")
    file.write_bytes(data)
    print(f"{file}: {len(data):,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
