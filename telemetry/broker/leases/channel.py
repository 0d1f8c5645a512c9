"""A channel of kombu's on a broker that acknowledges: messages in, deliveries out, settled by tag.

Comes in: what kombu's consumers and producers ask of a channel. Goes out: rows, through the
database and the leases of this process. A delivery's tag says which row it is and by which seat it
is held, so that it can be settled from any thread and through any loss of connection.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections import OrderedDict, deque
from queue import Empty
from typing import TYPE_CHECKING, Any

from kombu.transport import virtual

from telemetry.broker.leases import database as databases
from telemetry.broker.leases import holding, news
from telemetry.broker.leases.holding import LeaseLost, Settlement
from telemetry.broker.leases.poll import Poll

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.broker.leases.database import Database
    from telemetry.broker.leases.holding import Leases

logger = logging.getLogger(__name__)

BATCH_MAX = 100
"""Messages reserved in one statement where the prefetch limit allows more, or there is none."""


class Unsettled(virtual.QoS):
    """What was delivered and is not settled; may be settled from any thread."""

    channel: Channel

    def __init__(self, channel: Channel, prefetch_count: int = 0) -> None:
        super().__init__(channel, prefetch_count)
        self._delivered: OrderedDict[str, Any] = OrderedDict()
        self._has_room = threading.Event()
        self._ends: Any = self._on_collect  # type: ignore[attr-defined] # kombu's finalizer

    @property
    def room(self) -> int:
        """How many messages may be reserved now."""
        limit = self.prefetch_count or 0
        return min(BATCH_MAX, limit - len(self._delivered)) if limit else BATCH_MAX

    def can_consume(self) -> bool:
        """Whether there is room for one more."""
        return self.room > 0

    def wait_for_room(self, seconds: float) -> None:
        """Until a message is settled; at most `seconds`."""
        self._has_room.clear()
        if not self.can_consume():
            self._has_room.wait(seconds)

    def append(self, message: Any, delivery_tag: str) -> None:  # noqa: ANN401 - kombu's
        """A message was delivered."""
        self._delivered[delivery_tag] = message

    def ack(self, delivery_tag: str) -> None:
        """It is done."""
        self._settle(delivery_tag, Settlement.DONE)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """It goes back to the queue, or away."""
        self._settle(delivery_tag, Settlement.RETURNED if requeue else Settlement.DONE)

    def restore_unacked(self) -> None:
        """Everything goes back."""
        for tag in list(self._delivered):
            self._settle(tag, Settlement.RETURNED)

    def restore_unacked_once(self, stderr: Any = None) -> None:  # noqa: ANN401, ARG002 - kombu's
        """The same, at the channel's end. In a forked process the messages are the parent's."""
        self._ends.cancel()
        if self.channel.is_mine:
            self.restore_unacked()

    def _settle(self, tag: str, settlement: Settlement) -> None:
        # Not there: settled before, or given back when the connection it came by was closed.
        if self._delivered.pop(tag, None) is not None:
            self.channel.settle(tag, settlement)
            self._has_room.set()


class Channel(virtual.Channel):
    """A channel; consuming from it takes part in the process's seat."""

    QoS = Unsettled
    qos: Unsettled

    def __init__(self, connection: Any, **kwargs: Any) -> None:  # noqa: ANN401 - kombu's
        super().__init__(connection, **kwargs)
        self._options = connection.options
        self._process = os.getpid()
        self._leases: Leases | None = None
        self._seats_lost = 0
        self._polling: Poll | None = None
        self._reserved: deque[tuple[str, dict[str, Any]]] = deque()
        self._unacknowledging: set[str] = set()
        self._first = 0

    @property
    def is_mine(self) -> bool:
        """Whether this process made the channel, and not the one it was forked from."""
        return self._process == os.getpid()

    # --- producing and declaring

    def _put(self, queue: str, message: dict[str, Any], **_: Any) -> None:  # noqa: ANN401 - kombu's
        database = self._database
        payload = json.dumps(message)
        ((stored,),) = database.run("put", queue=queue, payload=payload)
        if not stored:
            self._new_queue(queue)
            database.run("put", queue=queue, payload=payload)
        if database.options.notify:
            database.run("wake", queue=queue, listeners=database.listeners)

    def _new_queue(self, queue: str, **_: Any) -> None:  # noqa: ANN401 - kombu's
        self._database.run("declare", queue=queue)

    def _has_queue(self, queue: str, **_: Any) -> bool:  # noqa: ANN401 - kombu's
        ((is_declared,),) = self._database.run("is_declared", queue=queue)
        return bool(is_declared)

    def _size(self, queue: str) -> int:
        ((size,),) = self._database.run("size", queue=queue)
        return int(size)

    def _purge(self, queue: str) -> int:
        """What waits is deleted, as AMQP has it; not what somebody holds."""
        ((purged,),) = self._database.run("purge", queue=queue)
        return int(purged)

    def queue_delete(
        self,
        queue: str,
        if_unused: bool = False,
        if_empty: bool = False,
        **kwargs: Any,  # noqa: ANN401 - kombu's
    ) -> None:
        """Delete what waits, the bindings, and the queue's name if nothing refers to it."""
        if if_empty and self._size(queue):
            return
        super().queue_delete(queue, if_unused=if_unused, **kwargs)
        self._purge(queue)
        self._database.run("undeclare", queue=queue)

    # --- consuming

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - kombu's
        """Consume from a queue."""
        self._attach()
        if no_ack:
            self._unacknowledging.add(queue)
        return super().basic_consume(queue, no_ack, *args, **kwargs)

    def basic_cancel(self, consumer_tag: str) -> None:
        """Stop; what was reserved and not delivered waits again at once."""
        queue = self._tag_to_queue.get(consumer_tag)
        super().basic_cancel(consumer_tag)
        if queue is not None:
            self._give_back(queue)
            self._unacknowledging.discard(queue)

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:  # noqa: ANN401 - kombu's
        """One message, or None."""
        self._attach()
        message = super().basic_get(queue, no_ack=no_ack, **kwargs)
        if message is not None and no_ack:
            self.settle(str(message.delivery_tag), Settlement.DONE)
        return message

    def drain_events(
        self,
        timeout: float | None = None,  # noqa: ARG002 - kombu's; the transport waits
        callback: Callable[..., Any] | None = None,
    ) -> None:
        """Deliver one message of the queues consumed from; raises `Empty`."""
        if not self._consumers:
            raise Empty
        if self._leases is not None:
            self._check_seat(self._leases)
        if not self._reserved and self.qos.can_consume():
            self._reserve_of_any()
        if not self._reserved:
            raise Empty
        queue, message = self._reserved.popleft()
        if queue in self._unacknowledging:
            self.settle(message["properties"]["delivery_tag"], Settlement.DONE)
        (callback or self.connection._deliver)(message, queue)  # noqa: SLF001 - kombu's contract

    def wait(self, seconds: float) -> None:
        """Until there may be something to deliver; at most `seconds`."""
        if not self.qos.can_consume():
            self.qos.wait_for_room(seconds)
        elif self._polling is not None:
            self._polling.wait(self._active_queues, seconds)

    @property
    def is_consuming(self) -> bool:
        """Whether anybody wants deliveries of it."""
        return bool(self._consumers)

    def settle(self, tag: str, settlement: Settlement) -> None:
        """Decide on a delivery; see `Leases.settle`."""
        if self._leases is not None and self.is_mine:
            seat, _, row = tag.partition("/")
            self._leases.settle(int(seat), int(row), settlement)

    def holds(self, tag: str) -> bool:
        """Whether the database does not yet know what became of a delivery."""
        seat, _, row = tag.partition("/")
        return self._leases is not None and self._leases.holds(int(seat), int(row))

    def close(self) -> None:
        """Give back what is not settled, and leave."""
        if self.closed:
            return
        self._give_back()
        super().close()
        leases, self._leases = self._leases, None
        poll, self._polling = self._polling, None
        if self.is_mine and leases is not None:
            leases.detach()
            if poll is not None:
                poll.close()

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:  # noqa: ARG002 - kombu's
        while True:
            messages, was_last = self._reserve(queue, 1)
            if messages:
                return messages[0]
            if was_last:
                raise Empty

    def _reserve_of_any(self) -> None:
        """Fill up from one queue; the next time another one is asked first."""
        queues = list(dict.fromkeys(self._active_queues))
        self._first = (self._first + 1) % len(queues)
        for queue in queues[self._first :] + queues[: self._first]:
            messages, _ = self._reserve(queue, self.qos.room)
            self._reserved.extend((queue, message) for message in messages)
            if self._reserved:
                return

    def _reserve(self, queue: str, room: int) -> tuple[list[dict[str, Any]], bool]:
        """Messages of a queue, and whether there are no more."""
        leases, poll = self._attach()
        self._check_seat(leases)
        seat, rows = poll(lambda connection: leases.reserve(connection, queue, room))
        messages = []
        for row, payload, was_delivered in rows:
            tag = f"{seat}/{row}"
            try:
                messages.append(_message(payload, tag, redelivered=was_delivered))
            except (ValueError, TypeError, KeyError, AttributeError):
                logger.error("row %s of the broker is no message and was set aside", row)  # noqa: TRY400 - the error quotes it
                self.settle(tag, Settlement.UNREADABLE)
                news.tell("set_aside", queue, 1)
        return messages, len(rows) < room

    def _check_seat(self, leases: Leases) -> None:
        if leases.seats_lost != self._seats_lost:
            self._seats_lost = leases.seats_lost
            self._reserved.clear()
            raise LeaseLost("others have what was reserved here; it begins anew")

    def _give_back(self, queue: str | None = None) -> None:
        """What was reserved and not delivered, of one queue or of all."""
        if not self.is_mine:
            return
        kept: deque[tuple[str, dict[str, Any]]] = deque()
        for of_queue, message in self._reserved:
            if queue is not None and of_queue != queue:
                kept.append((of_queue, message))
                continue
            was_delivered = message["properties"]["delivery_info"]["redelivered"]
            settlement = Settlement.RETURNED if was_delivered else Settlement.UNTOUCHED
            self.settle(message["properties"]["delivery_tag"], settlement)
        if self._leases is not None and len(kept) < len(self._reserved):
            self._leases.flush()
        self._reserved = kept

    def _attach(self) -> tuple[Leases, Poll]:
        if self._leases is None or self._polling is None:
            database = self._database
            database.prepare(consumes=True)
            leases = holding.of(database)
            leases.attach()
            self._leases, self._seats_lost = leases, leases.seats_lost
            self._polling = Poll(database, leases.reconcile)
        return self._leases, self._polling

    @property
    def _database(self) -> Database:
        """Asked for each time: in a forked process it is another one."""
        database = databases.database(self._options)
        database.prepare()
        return database


def _message(payload: str, tag: str, *, redelivered: bool) -> dict[str, Any]:
    """A row's payload as kombu's virtual transports deliver it.

    Celery looks for `redelivered` in the delivery information, kombu beside it.
    """
    message: dict[str, Any] = json.loads(payload)
    properties = message["properties"]
    properties["delivery_tag"] = tag
    information = properties.setdefault("delivery_info", {})
    message["redelivered"] = redelivered or bool(message.get("redelivered"))
    information["redelivered"] = message["redelivered"]
    return message
