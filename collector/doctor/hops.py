"""What was found -> a verdict on one hop of the collector's side, with the fix.

Comes in: answers, pages, what the file would have. Goes out: a `Verdict`. No header, token or
label's value is repeated in one.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from typing import TYPE_CHECKING

from collector.doctor.reaching import nothing_listens
from doctor import mark as marks
from doctor import page as pages
from doctor.asking import Failure, skewed
from doctor.walk import Verdict, broken, fine, unseen

if TYPE_CHECKING:
    from pathlib import Path

    from collector.doctor.rules import Expected
    from collector.plan import Plan
    from doctor.asking import Heard
    from doctor.mark import Mark
    from doctor.pushing import Answer

RESTART = "restart the collector with this file"
_REFUSED = "portless_refused_points"


def config(plan: Plan) -> Verdict:
    """A file that can be run; of what is hardly meant `validate` says more."""
    warned = len(plan.warnings)
    rest = f", with {warned} warnings: see portless-collector validate" if warned else ""
    return fine(f"it is valid{rest}")


def health(heard: Heard, where: str) -> Verdict:
    """What health_check says."""
    if heard.failure is Failure.REFUSED:
        return nothing_listens(where)
    if heard.failure:
        return broken(f"no answer from {where}: {heard.failure.value}", RESTART)
    if heard.status == 503:
        what = f"{where} says that the collector does not serve (503)"
        return broken(what, "it is starting or ending: see its log")
    if heard.status != 200:
        return broken(f"what answers at {where} is no health_check ({heard.status})", RESTART)
    return fine(f"{where} says that the collector serves")


def receiver(answer: Answer, where: str) -> Verdict:
    """Whether a receiver of the file took the mark."""
    if answer.failure is Failure.REFUSED:
        return nothing_listens(where)
    if answer.failure is Failure.LIBRARY:
        return unseen("grpcio is not installed here: pip install 'portless[collector]'")
    if answer.failure:
        what = f"no push gets to {where}: {answer.failure.value}"
        return broken(what, f"see what listens there, and {RESTART}")
    if answer.status in {401, 403}:
        return broken(
            f"{where} does not take the login that the file names ({answer.status})",
            f"{RESTART}; see --allow-from, if it was given, for this machine",
        )
    if answer.status == 503:
        return broken(
            f"{where} refuses for now (503)",
            "see portless_requests of its own metrics: outcome pressed is memory_limiter, "
            "unkept a state directory that is full or cannot be written",
        )
    if answer.status != 200 or not answer.is_otlp:
        what = f"what answers at {where} is no receiver of OTLP metrics ({answer.status})"
        return broken(what, f"see what else listens there, and {RESTART}")
    if answer.rejected:
        return broken(
            f"{where} took the push and refused the mark",
            f"see which reason grows in {_REFUSED} of its own metrics, and docs/operate.md: "
            "stream_limit wants a larger --max-streams",
        )
    if skewed(answer.skew_seconds):
        what = f"the clock of {where} is {answer.skew_seconds:+.0f} s from this machine's"
        return broken(what, "let both keep time by NTP")
    return fine(f"{where} took the mark")


def page(heard: Heard, where: str) -> Verdict:
    """Whether Prometheus could read it; what concerns the doctor's options is of no use here."""
    if heard.failure is Failure.REFUSED:
        return nothing_listens(where)
    fault = pages.fault(heard, where)
    return broken(fault.what, RESTART) if fault else fine(f"{where} shows a page")


def rules(wanted: Expected, mark: Mark, text: str) -> Verdict:
    """What the rules leave of the mark: by the file, and on the page of what runs."""
    if not wanted.is_shown:
        return broken(
            f"{wanted.by} drops the mark, {marks.NAME}, a gauge",
            "let metrics of this name through; where only single names are meant to pass, add it",
        )
    lost = [key for key in marks.NEEDED if key in wanted.takers]
    if lost:
        return broken(
            f"{wanted.takers[lost[0]]} takes {' and '.join(lost)} away: tasks cannot be told apart",
            "add it to label_set of metrics_transform and to allowed_keys of redaction",
        )
    if wanted.keeps_tenant:
        return broken(
            f"no rule takes {marks.TENANT} away",
            f"take {marks.TENANT} out of the lists; portless-collector leaks says by which way it "
            "gets through",
        )
    found = marks.verdict(mark, text)
    if found.ok:
        gone = ", ".join(sorted({*wanted.takers} - {marks.TENANT}))
        rest = f"; of tasks' labels, {gone} are taken away" if gone else ""
        return fine(f"the mark is exposed with its task and queue, and no tenant{rest}")
    return broken(
        f"{found.what}, though the file would have it otherwise: what runs follows another file",
        f"{RESTART}, which is read at its start only; batch and interval hold points back, so give "
        "the doctor a longer --wait if their time is long",
    )


def state(path: Path | None) -> Verdict:
    """Whether the state directory can be written, and a collector writes there."""
    if path is None:
        return unseen("give --state-dir, if the collector was given one")
    if not path.is_dir():
        return broken(
            f"there is no directory {path}, so no collector uses it",
            "start the collector with this --state-dir; it makes the directory",
        )
    try:
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        what = f"{path} cannot be written: {error.strerror}"
        return broken(what, "make it writable for the collector's user, and see the disk's room")
    journals = sorted(one.parent for one in path.glob("*/lock"))
    if not any(_is_held(one / "lock") for one in journals):
        return broken(
            f"no running collector uses {path}: after a restart counters begin anew",
            "start the collector with this --state-dir",
        )
    return fine(f"{path} can be written, and a collector uses it")


def _is_held(lock: Path) -> bool:
    """Whether a process holds a lock, which is let go at once where none does."""
    handle = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def refusals(before: str, after: str) -> Verdict:
    """Whether points are refused just now, by the collector's own page at both ends of the walk."""
    was, now = ({**_refused(text)} for text in (before, after))
    growing = sorted(reason for reason in now if now[reason] > was.get(reason, 0.0))
    if growing:
        return broken(
            f"points are being refused: {', '.join(growing)}",
            "docs/operate.md says what each reason means",
        )
    once = sorted(reason for reason in now if now[reason])
    rest = f"; since its start it has refused some: {', '.join(once)}" if once else ""
    return fine(f"no point was refused during the walk{rest}")


def _refused(text: str) -> dict[str, float]:
    """Points by reason; the real collector has no reasons, and tells of its memory_limiter so."""
    found: dict[str, float] = {}
    samples = pages.samples(text, _REFUSED.__eq__) or pages.samples(text, _is_of_the_real_one)
    for labels, value in samples:
        reason = labels.get("reason", f"by the receiver {labels.get('receiver', '')}")
        found[reason] = found.get(reason, 0.0) + value
    return found


def _is_of_the_real_one(name: str) -> bool:
    return name.startswith("otelcol_receiver_refused_metric_points")
