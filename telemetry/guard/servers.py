"""What counts as listening, as data with a reason each: modules, calls, and exceptions.

Comes in: a module's name, or a call's. Goes out: whether it can serve, and why we think so. It
knows names only: neither files nor who imports whom.

What is not here is not forgotten: whatever stands on one of these leads to it by a chain. And a
module of somebody else's whose source makes the calls in `TELLING` is a server without being named.
"""

from __future__ import annotations

from typing import NamedTuple


class Verdict(NamedTuple):
    """Whether importing a module can end in a socket that listens."""

    serves: bool
    reason: str


SERVERS = {
    "socketserver": "every server of the standard library stands on it",
    "http.server": "an HTTP server",
    "wsgiref.simple_server": "an HTTP server",
    "xmlrpc.server": "an HTTP server",
    "asyncore": "its dispatchers listen; in the standard library up to Python 3.11",
    "uvicorn": "an HTTP server and nothing else",
    "gunicorn": "an HTTP server and nothing else",
    "hypercorn": "an HTTP server and nothing else",
    "granian": "an HTTP server and nothing else, in Rust: no source shows the call",
    "daphne": "an HTTP server and nothing else",
    "waitress": "an HTTP server and nothing else",
    "cheroot": "an HTTP server and nothing else",
    "bjoern": "an HTTP server and nothing else, in C: no source shows the call",
    "meinheld": "an HTTP server and nothing else, in C: no source shows the call",
    "uwsgi": "there only inside the uWSGI server",
    "werkzeug.serving": "the server of Flask's app.run()",
    "aiohttp.web": "aiohttp's server; its client is another module",
    "tornado.tcpserver": "what tornado.httpserver stands on",
    "tornado.httpserver": "tornado's HTTP server",
    "twisted.internet": "its reactors listen",
    "sanic": "a web framework that brings its own server",
    "gevent.baseserver": "what gevent.server and gevent.pywsgi stand on",
    "gevent.backdoor": "a Python prompt on a port",
    "eventlet.wsgi": "eventlet's HTTP server",
    "eventlet.backdoor": "a Python prompt on a port",
    "rpyc.utils.server": "answers calls from other machines",
    "debugpy": "waits for a debugger on a port",
    "manhole": "a Python prompt on a socket",
}
"""Modules that can serve; they count where they are imported, installed or not."""
NO_SERVERS = {
    "socket": "every client has it; only a call makes a server of it, and calls are looked for",
    "asyncio": "as socket: drivers and clients import it; a loop listens only when told to",
    "multiprocessing": "its pipes are what pools are made of; Listener and Manager are calls",
    "billiard": "as multiprocessing, whose fork it is; Celery's own pools stand on it",
    "gevent": "sockets that cooperate; its servers are modules of their own, above",
    "eventlet": "sockets that cooperate; its servers are modules of their own, above",
    "trio": "as asyncio",
    "anyio": "as asyncio",
    "grpc": "client and server are one module, and the client exports OTLP; servers are calls",
    "redis": "listen() there waits for what its server publishes",
    "pdb": "from 3.14 its attach() listens on loopback, in the debugging process; that is a call",
    "ftplib": "listens for one answer of the server it called, in active mode",
}
"""Modules that everybody has, or that look like servers and are none."""
VERDICTS = {
    **{name: Verdict(serves=True, reason=reason) for name, reason in SERVERS.items()},
    **{name: Verdict(serves=False, reason=reason) for name, reason in NO_SERVERS.items()},
}
"""Both; a package speaks for all below it that have no verdict of their own."""


class Call(NamedTuple):
    """What makes a name in the source a call that listens."""

    reason: str
    arguments: range | None = None
    """How many the call has, all by position; None: any mention counts, as a thread's target."""


CALLS = {
    "bind": Call("gives a socket an address", range(1, 2)),
    "listen": Call("opens a socket to whoever connects", range(2)),
    "create_server": Call("a TCP server of socket or asyncio"),
    "create_unix_server": Call("a server on a Unix socket"),
    "create_datagram_endpoint": Call("UDP of asyncio, which may be open to everybody"),
    "start_server": Call("a TCP server of asyncio"),
    "start_unix_server": Call("a server on a Unix socket"),
    "add_insecure_port": Call("a port of a gRPC server"),
    "add_secure_port": Call("a port of a gRPC server"),
    "serve_forever": Call("the loop of a server"),
    "start_http_server": Call("prometheus_client's server"),
    "start_wsgi_server": Call("prometheus_client's server"),
    "make_server": Call("a server of wsgiref or werkzeug"),
    "run_simple": Call("the server of werkzeug"),
    "logging.config.listen": Call("takes a logging configuration from a port", range(3)),
    "multiprocessing.Manager": Call("a process that answers on a socket"),
    "multiprocessing.managers.BaseManager": Call("answers on a socket"),
    "multiprocessing.connection.Listener": Call("takes pickles from a socket"),
    "billiard.Manager": Call("a process that answers on a socket"),
    "billiard.connection.Listener": Call("takes pickles from a socket"),
    "pdb.attach": Call("waits on loopback for the process that it was told to debug"),
    "grpc.server": Call("a gRPC server"),
    "grpc.aio.server": Call("a gRPC server"),
    "eventlet.serve": Call("a TCP server of eventlet"),
}
"""By the last word of what is called; a name with dots is meant as a whole."""

TELLING = (
    frozenset({"bind", "listen"}),
    frozenset({"create_server"}),
    frozenset({"create_unix_server"}),
    frozenset({"start_server"}),
    frozenset({"start_unix_server"}),
    frozenset({"add_insecure_port"}),
    frozenset({"add_secure_port"}),
)
"""Calls that, all in one file of somebody else's, make it a server whatever it is called.

Alone, `bind` is said of queues and loggers, and `listen` of subscriptions.
"""

ALLOWED: dict[tuple[str, ...], str] = {
    ("pydoc", "http.server"): "help in a browser, only by pydoc's own command",
    ("celery.apps.worker", "celery.contrib.rdb"): "a debugger, only where CELERY_RDBSIG is set",
    ("django.utils.log", "logging.config"): "Django's logging, which Celery has where Django is "
    "installed; only logging.config.listen opens a port, and that is a call",
}
"""Runs of modules that every application of Celery has: allowed without an allowlist."""

BY_NAME = {
    "celery": (
        *("celery.app.base", "celery.app.amqp", "celery.app.control", "celery.app.events"),
        *("celery.app.log", "celery.apps.worker", "celery.worker", "celery.worker.components"),
        *("celery.worker.consumer", "celery.worker.strategy", "celery.loaders.app"),
        *("celery.concurrency.prefork", "celery.concurrency.solo", "celery.concurrency.thread"),
        *("celery.concurrency.gevent", "celery.concurrency.eventlet", "celery.fixups.django"),
        *("celery.backends.database", "celery.backends.redis", "celery.backends.rpc"),
    ),
    "kombu": (
        *("kombu.connection", "kombu.entity", "kombu.messaging", "kombu.transport.pyamqp"),
        *("kombu.transport.memory", "kombu.transport.redis", "kombu.transport.sqlalchemy"),
        *("kombu.transport.SQS", "kombu.transport.filesystem"),
    ),
}
"""What a module loads by names in strings, which no reader of imports sees."""


def verdict(module: str) -> Verdict | None:
    """The verdict on a module, its own or that of the nearest package above it."""
    while module:
        if module in VERDICTS:
            return VERDICTS[module]
        module = module.rpartition(".")[0]
    return None
