"""How a run is shown: a live screen in a terminal, plain lines anywhere else.

In: steps, pictures, the account. Out: text, at the time when it is of use. What it looks like is
drawn elsewhere; where the numbers come from is not known here.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from demo import draw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from demo.account import Account
    from demo.picture import Picture

LINE_SECONDS = 5.0
"""Between two plain lines about the traffic."""
PLAIN_COLUMNS = 120
"""Where nobody says how wide the paper is."""


class View:
    """Plain lines: what is being done, how the traffic goes, the account."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()
        self._next_line = 0.0

    def step(self, text: str) -> None:
        """Say what is being done now; what was before is done."""
        self.say(f"[{time.monotonic() - self._started:5.1f} s] {text}")

    def show(self, picture: Picture) -> None:
        """Show a moment."""
        if time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_SECONDS
            self.step(draw.line(picture))

    def account(self, account: Account) -> None:
        """Show the end."""
        self._console.print(draw.account(account))

    def say(self, text: str) -> None:
        """Say anything else."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Be on show for the length of a `with` block."""
        yield


class Screen(View):
    """A terminal: steps are ticked off above, the last picture stands below and moves."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._spinner = Spinner("dots", style="cyan")
        self._step = ""
        self._step_began = 0.0
        self._picture: RenderableType = ""
        self._live = Live(console=console, refresh_per_second=8, get_renderable=self._now)

    def step(self, text: str) -> None:
        """Tick off the step before and let this one spin."""
        self._tick_off()
        self._step, self._step_began = text, time.monotonic()

    def show(self, picture: Picture) -> None:
        """Replace the picture."""
        self._picture = draw.picture(picture)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Take the lower part of the terminal, and leave the last picture on it."""
        with self._live:
            try:
                yield
                self._tick_off()
            finally:
                self._step = ""

    def _tick_off(self) -> None:
        if self._step:
            self._console.print(Text.assemble(("✓ ", "green"), *self._timed_step()))

    def _now(self) -> RenderableType:
        if not self._step:
            return self._picture
        self._spinner.update(text=Text.assemble(*self._timed_step()))
        return Group(self._spinner, self._picture)

    def _timed_step(self) -> tuple[str, tuple[str, str]]:
        return self._step, (f" {time.monotonic() - self._step_began:.1f} s", "dim")


def view() -> View:
    """Choose by what standard output is."""
    console = Console(highlight=False)
    if console.is_terminal:
        return Screen(console)
    return View(Console(highlight=False, width=PLAIN_COLUMNS))
