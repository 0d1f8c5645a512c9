"""Makes `portless+postgresql+psycopg2://…` a broker's address wherever `telemetry` was imported.

kombu finds a transport by the word before the `+`, in a dictionary of its module `kombu.transport`.
The word is entered when that module is there, or as soon as somebody imports it: importing
`telemetry` brings neither kombu along nor, for a probe that must be quick, anything else. It knows
nothing of the transport but where it is.
"""

from __future__ import annotations

import sys

ALIAS = "portless"
TRANSPORT = "telemetry.broker.leases.transport:Transport"
_MODULE = "kombu.transport"

TYPE_CHECKING = False  # not typing's, which takes time
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType


def register() -> None:
    """Enter the word now or when kombu comes; doing it again changes nothing."""
    module = sys.modules.get(_MODULE)
    if module is not None:
        _enter(module)
    elif not any(isinstance(finder, _Waiting) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Waiting())


def _enter(module: ModuleType) -> None:
    module.TRANSPORT_ALIASES[ALIAS] = TRANSPORT


class _Waiting:
    """Steps aside at the import it waits for, and has its loader do one thing more."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Leave every other module to whoever finds it."""
        if fullname != _MODULE:
            return None
        sys.meta_path.remove(self)
        for finder in sys.meta_path:
            spec = finder.find_spec(fullname, path, target)
            if spec is not None and spec.loader is not None:
                _and_enter(spec.loader)
                return spec
        return None


def _and_enter(loader: Loader) -> None:
    load = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        load(module)
        _enter(module)

    loader.exec_module = exec_module  # type: ignore[method-assign] # it loads this module only
