"""The `otlp_http` exporter: what a pipeline keeps, pushed to another OTLP receiver.

In: its section. Out: `push_settings.OtlpHttpExporter`. It knows no metric and opens no connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from collector.push_settings import ClientTls, OtlpHttpExporter, Queue, Retry

if TYPE_CHECKING:
    from collector.fields.section import Section

_OTHER_SIGNALS = ("logs_endpoint", "profiles_endpoint", "traces_endpoint")
_CLIENT = (
    "auth",
    "compression_params",
    "cookies",
    "disable_keep_alives",
    "force_attempt_http2",
    "http2_ping_timeout",
    "http2_read_idle_timeout",
    "idle_conn_timeout",
    "keepalive",
    "max_conns_per_host",
    "max_idle_conns",
    "max_idle_conns_per_host",
    "middlewares",
    "proxy_url",
    "read_buffer_size",
    "write_buffer_size",
)
_PATH = "/v1/metrics"
_CONSUMERS = 10
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def read(section: Section) -> OtlpHttpExporter:
    """Read the exporter's settings.

    https://github.com/open-telemetry/opentelemetry-collector/tree/main/exporter/otlphttpexporter
    """
    section.elsewhere(*_CLIENT)
    section.elsewhere(*_OTHER_SIGNALS, why=", which carries metrics only")
    default = OtlpHttpExporter("")
    timeout = section.seconds("timeout", default.timeout_seconds)
    if timeout < 0:
        section.mistake("timeout", "must not be negative")
    packers = ("gzip", "zstd", "deflate", "zlib", "none", "")
    others = ("lz4", "snappy", "x-snappy-framed")
    compression = section.choice("compression", packers, default.compression, others)
    return OtlpHttpExporter(
        url=_url(section),
        headers=tuple(section.pairs("headers").items()),
        tls=_tls(section.section("tls")),
        compression="" if compression == "none" else compression,
        encoding=section.choice("encoding", ("proto", "json"), default.encoding),
        timeout_seconds=timeout or default.timeout_seconds,
        retry=_retry(section.section("retry_on_failure")),
        queue=_queue(section.section("sending_queue")),
    )


def _url(section: Section) -> str:
    """Join the address; one that other machines can read on its way is warned of."""
    base, whole = section.text("endpoint"), section.text("metrics_endpoint")
    key = "metrics_endpoint" if whole else "endpoint"
    url = whole or f"{base.rstrip('/')}{_PATH}"
    if not (base or whole):
        if not section.mistaken("endpoint", "metrics_endpoint"):
            section.mistake("", "either endpoint or metrics_endpoint must be specified")
        return url
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url:
        section.mistake(key, "must be a URL", 'write "https://collector.example:4318"')
    elif parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        section.warn(key, "metrics travel to another machine in the clear, write https://")
    return url


def _tls(section: Section) -> ClientTls:
    section.elsewhere(
        "ca_pem",
        "cert_pem",
        "cipher_suites",
        "curve_preferences",
        "key_pem",
        "max_version",
        "reload_interval",
        "server_name_override",
        "tpm",
    )
    section.only("include_system_ca_certs_pool", value=False)
    section.only("min_version", "1.2")
    section.flag("insecure")  # whether there is TLS says the URL, as in the Collector
    skip = section.flag("insecure_skip_verify")
    if skip:
        section.warn("insecure_skip_verify", "anybody can pretend to be the receiver")
    cert, key = section.text("cert_file"), section.text("key_file")
    if bool(cert) != bool(key):
        section.mistake("", "cert_file and key_file belong together")
    return ClientTls(section.text("ca_file"), cert, key, skip)


def _retry(section: Section) -> Retry:
    default = Retry()
    retry = Retry(
        enabled=section.flag("enabled", default=True),
        initial_seconds=section.seconds("initial_interval", default.initial_seconds),
        randomization=section.fraction("randomization_factor", default.randomization),
        multiplier=section.fraction("multiplier", default.multiplier, most=1000.0),
        interval_seconds_max=section.seconds("max_interval", default.interval_seconds_max),
        elapsed_seconds_max=section.seconds("max_elapsed_time", default.elapsed_seconds_max),
    )
    for key, seconds in (
        ("initial_interval", retry.initial_seconds),
        ("max_interval", retry.interval_seconds_max),
        ("max_elapsed_time", retry.elapsed_seconds_max),
    ):
        if seconds < 0:
            section.mistake(key, "must not be negative")
    if 0 < retry.elapsed_seconds_max < max(retry.initial_seconds, retry.interval_seconds_max):
        what = "must not be shorter than initial_interval and max_interval"
        section.mistake("max_elapsed_time", what)
    return retry


def _queue(section: Section) -> Queue:
    """Read the queue, in which requests stay in their order: one is sent at a time."""
    section.elsewhere("batch")
    section.only("block_on_overflow", value=False)
    section.only("sizer", "requests")
    section.only("wait_for_result", value=False)
    section.whole("num_consumers", _CONSUMERS, least=1)
    size = section.whole("queue_size", Queue().size, least=1)
    storage = section.text("storage")
    if not section.flag("enabled", default=True):
        return Queue(1)
    return Queue(size, storage)
