"""`python -m tests.fuzz --seconds 60 [TARGET…]`: look for inputs that break a target's promise.

Atheris leads where it is installed (coverage of `collector` guides it; the extra `fuzz`), otherwise
seeded mutations of the corpus. The seconds are shared by the targets. An input that fails is kept
in the corpus, its traceback is shown, and the end is not 0.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import click

from tests.fuzz.mutate import BYTES_MAX, mutations
from tests.fuzz.run import CORPUS, HANGS_SECONDS, check, corpus, keep

GUIDED = importlib.util.find_spec("atheris") is not None


@click.command(help=__doc__)
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), required=True)
@click.option("--seed", default="", help="of the mutations; by default the day")
@click.option("--guided/--mutations", default=GUIDED, help="by coverage, with Atheris")
@click.argument("names", nargs=-1)
def main(names: tuple[str, ...], seconds: float, seed: str, *, guided: bool) -> None:
    """Run the targets one after the other; exits 1 if an input failed."""
    known = sorted(path.name for path in CORPUS.iterdir())
    unknown = set(names) - set(known)
    if unknown:
        raise click.UsageError(
            f"no such target: {', '.join(unknown)}; there are {', '.join(known)}"
        )
    chosen = names or tuple(known)
    seed = seed or time.strftime("%Y-%m-%d", time.gmtime())
    share = seconds / len(chosen)
    failed = [
        name
        for name in chosen
        if not (_guided(name, share) if guided else _mutated(name, share, seed))
    ]
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}; what failed is in {CORPUS}")


def _mutated(name: str, seconds: float, seed: str) -> bool:
    """Try mutations of the corpus until time is up or one fails."""
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - Atheris has to be there before it

    end = time.monotonic() + seconds
    tried = 0
    for data in mutations(list(corpus(name).values()), seed):
        try:
            check(TARGETS[name], data)
        except Exception:  # noqa: BLE001 - any is a find
            traceback.print_exc()
            print(f"{name}: kept as {keep(name, data)}")
            return False
        tried += 1
        if time.monotonic() >= end:
            break
    print(f"{name}: {tried} mutations of seed {seed}")
    return True


def _guided(name: str, seconds: float) -> bool:
    """Run Atheris in a process of its own, which it ends when it is done."""
    with tempfile.TemporaryDirectory() as found:
        command = [sys.executable, "-m", "tests.fuzz.guided", name, found, str(CORPUS / name)]
        options = (
            f"-max_total_time={max(1, round(seconds))}",
            f"-timeout={HANGS_SECONDS}",
            f"-artifact_prefix={found}/../{Path(found).name}-",
            "-print_final_stats=1",
            "-verbosity=0",
            f"-max_len={BYTES_MAX}",
        )
        ended = subprocess.run(
            [*command, *options], capture_output=True, text=True, errors="replace", check=False
        )
        for path in Path(found).parent.glob(f"{Path(found).name}-*"):
            print(f"{name}: kept as {keep(name, path.read_bytes())}")
            path.unlink()
    tried = re.search(r"number_of_executed_units: (\d+)", ended.stderr)
    if ended.returncode or not tried:
        print(ended.stdout, ended.stderr)
        return False
    print(f"{name}: {tried[1]} inputs, led by coverage")
    return True


if __name__ == "__main__":
    main()
