"""The account notices every lie, in whichever of its lines it stands."""

from __future__ import annotations

import pytest

from demo.account import OUTCOMES, Account, Books, draw_up, exposed, leaks
from demo.scrape import Page

TRUTH = Books(
    outcomes={("llm.embed", "success"): 7, ("llm.embed", "lost"): 1},
    sent=8,
    received=8,
    tokens=120,
    delays=3,
    delay_seconds=90,
    queues={"llm": 2, "maintenance": 0},
)


def drawn_up(found: Books, processes: int = 9, listening: int = 0, leaked: int = 0) -> Account:
    """The account of the truth against what was found."""
    return draw_up(TRUTH, found, processes, listening, leaked)


def test_equal_books_balance() -> None:
    """What both sides say alike balances, line by line."""
    account = drawn_up(TRUTH)
    assert account.balances
    assert all(line.balances for line in account.lines)


@pytest.mark.parametrize(
    "outcomes",
    [
        {("llm.embed", "success"): 8, ("llm.embed", "lost"): 1},
        {("llm.embed", "success"): 7},
        {("llm.embed", "success"): 7, ("llm.embed", "lost"): 1, ("llm.embed", "failed"): 1},
        {("llm.embed", "success"): 7, ("llm.embed", "failed"): 1},
        {},
    ],
)
def test_a_wrong_outcome_is_seen(outcomes: dict[tuple[str, str], int]) -> None:
    """One execution more, less, or under another outcome, and nothing balances."""
    account = drawn_up(TRUTH._replace(outcomes=outcomes))
    assert not account.balances
    assert any(not line.balances for line in account.tasks.values())


@pytest.mark.parametrize("field", ["sent", "received", "tokens", "delays", "delay_seconds"])
@pytest.mark.parametrize("error", [-1, 1])
def test_a_wrong_total_is_seen(field: str, error: int) -> None:
    """One message, token or delay too many or too few does not balance."""
    account = drawn_up(TRUTH._replace(**{field: getattr(TRUTH, field) + error}))
    assert [line.expected - line.found for line in account.lines if not line.balances] == [-error]


@pytest.mark.parametrize("queues", [{"llm": 2}, {"llm": 1, "maintenance": 0}, {}])
def test_a_queue_that_is_not_told_as_it_is_is_seen(queues: dict[str, int]) -> None:
    """A queue of another length, and one that nobody tells of, even if nothing waits in it."""
    assert not drawn_up(TRUTH._replace(queues=queues)).balances


def test_a_listening_worker_and_a_named_tenant_are_seen() -> None:
    """Numbers may balance: one socket or one tenant too many, and the account does not."""
    assert not drawn_up(TRUTH, listening=1).balances
    assert not drawn_up(TRUTH, leaked=1).balances


def test_nothing_proves_nothing() -> None:
    """Two empty books are equal, and no process listens if none is there: that is no account."""
    nothing = Books({}, 0, 0, 0, 0, 0, {})
    assert not draw_up(nothing, nothing, processes=9, listening=0, leaks=0).balances
    assert not drawn_up(TRUTH, processes=0).balances


def test_books_are_read_off_a_page() -> None:
    """Sums over instances, queues and reasons, for every outcome that there is."""
    page = Page(
        'celery_task_success_total{instance="a",task_name="t",queue_name="q"} 2\n'
        'celery_task_success_total{instance="b",task_name="t",queue_name="q"} 3\n'
        'celery_task_lost_total{instance="a",task_name="t",reason="time_limit"} 1\n'
        'celery_task_lost_total{instance="a",task_name="t",reason="worker_lost"} 4\n'
        'celery_task_failed_total{instance="a",task_name="t",exception=""} 0\n'
        'celery_task_sent_total{instance="p",task_name="t"} 10\n'
        'celery_task_received_total{instance="a",task_name="t"} 9\n'
        'shop_llm_tokens_total{instance="a"} 40\n'
        'shop_conversion_delay_seconds_bucket{instance="a",le="+Inf"} 2\n'
        'shop_conversion_delay_seconds_count{instance="a"} 2\n'
        'shop_conversion_delay_seconds_sum{instance="a"} 700\n'
        'celery_queue_length{instance="broker/db",queue_name="llm"} 3\n'
        'celery_queue_length{instance="broker/db",queue_name="canary.llm@demo"} 1\n'
    )
    outcomes = {("t", "success"): 5, ("t", "lost"): 5}
    assert exposed(page) == Books(outcomes, 10, 9, 40, 2, 700, {"llm": 3})
    for outcome in OUTCOMES:
        page = Page(f'celery_task_{outcome}_total{{task_name="t"}} 1\n')
        assert exposed(page).outcomes == {("t", outcome): 1}


def test_tenants_are_found_wherever_they_stand() -> None:
    """In a value, a help text or a name, in whatever case."""
    tenants = ("acme", "globex")
    assert leaks(tenants, "# HELP x of Acme\n", "fine 1\n") == ["acme"]
    assert leaks(tenants, 'x{y="GLOBEX-1"} 1\n') == ["globex"]
    assert leaks(tenants, "x 1\n") == []
