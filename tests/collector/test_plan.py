"""A configuration file becomes a plan, or every mistake in it is said; nothing else happens.

`configs/` holds one file per case, named after what it shows; a refused one has the whole message
beside it in `.error`. The folders say what the OpenTelemetry Collector does with the same file:

    accepted   both engines run it
    elsewhere  only the Collector runs it, and the message says so
    mistakes   both refuse it
    stricter   the Collector takes it and something else happens than was meant
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from collector import components, plan, settings
from collector import push_settings as push
from collector.errors import ConfigError
from collector.model import Merge
from collector.settings import Endpoint
from tests.collector.configured import one
from tests.collector.real import needs_otelcol, validate
from tests.collector.streams import stream

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[2]
CONFIGS = Path(__file__).parent / "configs"
ENVIRON = {
    "ENDPOINT": "127.0.0.1:9464",
    "NAMESPACE": "celery",
    "FLAG": "true",
    "NUMBER": "8889",
    "LIST": "[task_name, queue_name]",
    "SECRET": "hunter2",
    "SECRET_NUMBERS": "[424242, 434343]",
    "SECRET_MAP": "{hunter2: hunter2}",
    "SECRET_TRANSFORMS": "[{include: hunter2, action: update}]",
    "SECRET_WITH_REFERENCE": "hunter2${file:hunter2}",
    "SECRET_OF_ITSELF": "hunter2${env:SECRET_OF_ITSELF}",
    "SECRET_BYTES": "hunter2\udcff",
}
SECRETS = ("hunter2", "424242", "434343")


def cases(*folders: str) -> list[Any]:
    """The files of some folders, each called by its name."""
    files = [file for folder in folders for file in sorted((CONFIGS / folder).glob("*.yaml"))]
    return [pytest.param(file, id=f"{file.parent.name}/{file.stem}") for file in files]


def load(text: str, **environ: str) -> plan.Plan:
    """Read a text as config.yaml."""
    return plan.load("config.yaml", text, environ)


@pytest.mark.parametrize("file", cases("elsewhere", "mistakes", "stricter"))
def test_a_refused_file_is_told_why(file: Path) -> None:
    """Every mistake with file, line and path, what is allowed, what to do; never a secret."""
    with pytest.raises(ConfigError) as caught:
        plan.load(file.name, file.read_text(), ENVIRON)
    assert f"{caught.value}\n" == file.with_suffix(".error").read_text()
    assert not any(secret in str(caught.value) for secret in SECRETS)


@pytest.mark.parametrize("file", cases("accepted"))
def test_an_accepted_file_has_nothing_to_be_told(file: Path) -> None:
    """What both engines run makes a plan."""
    plan.load(file.name, file.read_text(), ENVIRON)


@needs_otelcol
@pytest.mark.parametrize("file", cases("accepted", "elsewhere", "mistakes", "stricter"))
def test_the_folders_are_true_of_the_collector(file: Path) -> None:
    """Only a file in `mistakes` is refused by the Collector as well."""
    if file.stem in ("connectors", "another-extension"):
        pytest.skip("a Collector with that component would take it; the one we build has none")
    said = validate(file, ENVIRON)
    assert bool(said) is (file.parent.name == "mistakes"), said


NAMES_OF_OLD = {"cumulativetodelta", "deltatocumulative", "metricstransform", "otlphttp"}


def test_every_file_is_a_component_type() -> None:
    """The YAML is the table of contents: what has no file here is not supported."""
    tables: dict[str, Iterable[str]] = {
        "receivers": components.RECEIVERS,
        "processors": components.PROCESSORS,
        "exporters": components.EXPORTERS,
        "extensions": components.EXTENSIONS,
    }
    for folder, table in tables.items():
        files = {path.stem for path in (ROOT / "collector" / folder).glob("[!_]*.py")}
        assert files == set(table) - NAMES_OF_OLD


EVERYTHING = """\
receivers:
  otlp:
    protocols:
      http:
        endpoint: 0.0.0.0:14318
        max_request_body_size: 4194304
        read_header_timeout: 5s
        read_timeout: 10s
        write_timeout: 20s
        keepalive: {idle_timeout: 1m}
      grpc:
        endpoint: 0.0.0.0:14317
        max_recv_msg_size_mib: 16
        max_concurrent_streams: 10
        keepalive:
          server_parameters:
            max_connection_idle: 1m
            max_connection_age: 1h
            max_connection_age_grace: 10s
            time: 5m
            timeout: 5s
          enforcement_policy: {min_time: 30s, permit_without_stream: true}
processors:
  memory_limiter: {check_interval: 500ms, limit_percentage: 50}
  metrics_transform/gauges:
    transforms:
      - include: age$
        match_type: regexp
        action: update
        operations:
          - {action: aggregate_labels, label_set: [a, b], aggregation_type: max}
  redaction/points: {allowed_keys: [a, service.name]}
  batch/1s: {timeout: 1s}
exporters:
  prometheus/main:
    endpoint: "[::1]:19464"
    namespace: shop
    const_labels: {zone: b, cluster: a}
    metric_expiration: 90s
    enable_open_metrics: true
    without_scope_info: true
extensions:
  health_check:
    endpoint: :13134
    path: /healthz
    response_body: {healthy: fine}
service:
  extensions: [health_check]
  telemetry:
    logs: {level: WARN}
    metrics: {readers: [{pull: {exporter: {prometheus: {host: "[::1]", port: 18888}}}}]}
  pipelines:
    metrics/all:
      receivers: [otlp]
      processors: [memory_limiter, metrics_transform/gauges, redaction/points, batch/1s]
      exporters: [prometheus/main]
"""


def test_every_setting_arrives() -> None:
    """What a file says is in the plan."""
    made = plan.load("config.yaml", EVERYTHING, {}, total_memory_bytes=1000)
    http = settings.OtlpHttp(
        Endpoint("0.0.0.0", 14318), 4194304, timeouts=settings.Timeouts(5.0, 10.0, 20.0, 60.0)
    )
    keepalive = settings.GrpcKeepalive(60.0, 3600.0, 10.0, 300.0, 5.0, 30.0, True)
    grpc = settings.OtlpGrpc(Endpoint("0.0.0.0", 14317), 16 * 1024 * 1024, 10, keepalive)
    assert one(made.receivers) == settings.Otlp(http, grpc)
    assert one(made.pipelines).memory_limiter == settings.MemoryLimiter(0.5, 500, 100)
    assert one(made.exporters) == settings.Prometheus(
        endpoint=Endpoint("::1", 19464),
        namespace="shop",
        const_labels=(("cluster", "a"), ("zone", "b")),
        metric_expiration_seconds=90.0,
        enable_open_metrics=True,
        without_scope_info=True,
    )
    assert made.health_check == settings.HealthCheck(Endpoint("", 13134), "/healthz", "fine", "")
    assert made.self_telemetry == settings.SelfTelemetry("warn", Endpoint("::1", 18888))
    assert made.warnings == ()
    assert made.notes == (
        "processors::batch/1s: satisfied by construction: this engine never holds points back",
    )
    before = stream("x.age", "a=1 b=2 c=3", resource="service.name=s tenant_id=t")
    assert one(made.pipelines).rewrite(before) == stream(
        "x.age", "a=1", resource="service.name=s", merge=Merge.MAX
    )


def test_every_setting_of_an_exporter_that_pushes_arrives() -> None:
    """What a file says is in the plan; secrets are in nothing that is printed."""
    file = CONFIGS / "accepted" / "exporters-that-push.yaml"
    made = plan.load(file.name, file.read_text(), ENVIRON)
    found = {str(id_): exporter for id_, exporter in made.exporters.items()}
    assert found["debug"] == push.Debug("detailed")
    assert found["file"] == push.File(
        path="/tmp/metrics.json",
        rotation=push.Rotation(10 * 1024 * 1024, 3, 3, local_time=True),
        flush_interval_seconds=1.0,
        directory_mode=0o700,
    )
    assert found["otlp_http"] == push.OtlpHttpExporter(
        url="https://upstream.example:4318/v1/metrics",
        headers=(("Authorization", "Bearer hunter2"),),
        tls=push.ClientTls("/etc/ca.pem", "/etc/cert.pem", "/etc/key.pem"),
        compression="zstd",
        encoding="json",
        timeout_seconds=5.0,
        retry=push.Retry(
            initial_seconds=1.0,
            randomization=0.2,
            multiplier=2.0,
            interval_seconds_max=10.0,
            elapsed_seconds_max=0.0,
        ),
        queue=push.Queue(50, "file_storage/queue"),
    )
    assert found["otlphttp/of-old"] == push.OtlpHttpExporter("http://localhost:4318/v1/metrics")
    assert found["otlp_http/bare"] == push.OtlpHttpExporter(
        "http://127.0.0.1:4318/v1/metrics",
        compression="",
        retry=push.Retry(enabled=False),
        queue=push.Queue(1),
    )
    assert made.storages == {"file_storage/queue": push.FileStorage("/tmp", fsync=True)}
    assert one(made.pipelines).interval_seconds == 15
    assert "hunter2" not in repr(made)
    assert sum("pushes what each series adds up to" in note for note in made.notes) == 5


def test_metrics_that_travel_in_the_clear_are_warned_of() -> None:
    """Unless they stay on this machine; likewise where anybody may pretend to be the receiver."""
    exporter = "otlp_http: {endpoint: 'http://up.example', tls: {insecure_skip_verify: true}}"
    text = LEAST.replace("exporters:\n", f"exporters:\n  {exporter}\n", 1)
    first, second = load(text).warnings
    assert "metrics travel to another machine in the clear" in first
    assert "anybody can pretend to be the receiver" in second


LEAST = (CONFIGS / "accepted" / "the-least.yaml").read_text()


def test_what_a_file_leaves_out_has_the_collectors_default() -> None:
    """Endpoints, expiration and self-metrics as the Collector has them; nothing else runs."""
    made = load(LEAST)
    assert one(made.receivers) == settings.Otlp(settings.OtlpHttp())
    assert one(made.exporters) == settings.Prometheus(Endpoint("127.0.0.1", 9464))
    assert made.self_telemetry == settings.SelfTelemetry()
    assert (one(made.pipelines).memory_limiter, made.health_check) == (None, None)
    assert (made.warnings, made.notes) == ((), ())


@pytest.mark.parametrize(
    ("telemetry", "expected"),
    [
        ("metrics: {level: none}", settings.SelfTelemetry(metrics=None)),
        ("metrics: {level: none, readers: []}", settings.SelfTelemetry(metrics=None)),
        ("metrics: {level: Detailed}", settings.SelfTelemetry()),
        ('logs: {level: "${LEVEL}"}', settings.SelfTelemetry()),
        ("logs: {level: debug}", settings.SelfTelemetry("debug")),
    ],
)
def test_self_telemetry(telemetry: str, expected: settings.SelfTelemetry) -> None:
    """Levels are read in any case; no level of metrics but none closes their server."""
    text = LEAST.replace("service:\n", f"service:\n  telemetry: {{{telemetry}}}\n")
    assert load(text, LEVEL="").self_telemetry == expected


def test_rules_run_in_the_order_of_the_pipeline() -> None:
    """Not in the order of the file, and a rule that no pipeline names does not run."""
    text = EVERYTHING.replace("limit_percentage: 50", "limit_mib: 50")
    before = stream("x.age", "a=1 b=2")
    only = text.replace("metrics_transform/gauges, redaction", "redaction")
    assert one(load(only).pipelines).rewrite(before) == stream("x.age", "a=1")
    none = text.replace("metrics_transform/gauges, redaction/points, ", "")
    assert one(load(none).pipelines).rewrite(before) == before


WARNINGS = [
    # What is changed in EVERYTHING, and what is said then.
    (
        "[memory_limiter, metrics_transform/gauges,",
        "[metrics_transform/gauges, memory_limiter,",
        "55: service::pipelines::metrics/all::processors",
        "memory_limiter belongs first, where refusing is cheap",
    ),
    (
        "  extensions: [health_check]\n",
        "",
        "43: extensions::health_check",
        "configured, but service::extensions does not name it",
    ),
    (
        "    metrics/all:\n",
        "    metrics/more: {receivers: [otlp], exporters: [prometheus/main]}\n    metrics/all:\n",
        "54: service::pipelines::metrics/all",
        (
            "metrics/more has a receiver and an exporter in common with it: "
            "of a series that both keep, the second is refused as duplicate_series"
        ),
    ),
    (
        "namespace: shop",
        "namespace: ${env:SHOP}",
        "37: exporters::prometheus/main::namespace",
        "the environment variable SHOP is not set: it reads as nothing",
    ),
]


@pytest.mark.parametrize(("old", "new", "place", "what"), WARNINGS)
def test_what_is_hardly_meant_is_a_warning(old: str, new: str, place: str, what: str) -> None:
    """The plan is made, and the log says what to look at."""
    text = EVERYTHING.replace("limit_percentage: 50", "limit_mib: 50").replace(old, new)
    assert load(text).warnings == (f"config.yaml:{place}: {what}",)


def test_an_extension_runs_only_if_the_service_names_it() -> None:
    """Configured is not running, as in the Collector."""
    text = EVERYTHING.replace("limit_percentage: 50", "limit_mib: 50")
    assert load(text).health_check is not None
    assert load(text.replace("  extensions: [health_check]\n", "")).health_check is None


# Whatever is in the file, the answer is a plan or a ConfigError that can be printed.


def answers(text: str, environ: dict[str, str]) -> None:
    """Load a text that may be anything."""
    try:
        plan.load("config.yaml", text, environ)
    except ConfigError as error:
        str(error).encode()


PIECES = ["receivers:", "otlp:", "processors:", "redaction:", "service:", "pipelines:", "metrics:"]
PIECES += ["?", ":", ",", "[", "]", "{", "}", "-", "&a", "*a", "<<:", "!", "!!int", "!!str", "!a"]
PIECES += ["#", "%", "%YAML 1.1", "---", "...", ">", "|", "|-", '"', "'", "\\", "\n", "\n  "]
PIECES += ["~", "5", "0x", "1e9", ".inf", "2024-01-02", "true", "${env:A}", "${env:B:-", "$$", "${"]
PIECES += ["\t", "\r", "\x00", "\x85", "\ufeff", "é", '"\\ud800"', '"\\U00110000"', "\n    "]
PIECES += ["%YAML 1." + "9" * 5000, "9" * 5000]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(
        ["${env:A}", "${env:B}", "${env:C:-[x]}", "5s", ":80", "otlp", "sum", "update", "$$", "${"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
ENVIRONS = st.dictionaries(st.sampled_from("ABC"), st.text(), max_size=3)


@given(st.text(), ENVIRONS)
def test_any_text_has_an_answer(text: str, environ: dict[str, str]) -> None:
    """Random characters."""
    answers(text, environ)


@given(st.lists(st.sampled_from(PIECES)), ENVIRONS)
def test_any_yaml_has_an_answer(words: list[str], environ: dict[str, str]) -> None:
    """Random pieces of YAML, anchors, tags, directives and broken escapes among them."""
    answers(" ".join(words), environ)


@given(st.data(), ENVIRONS)
def test_any_structure_has_an_answer(data: st.DataObject, environ: dict[str, str]) -> None:
    """A good file with something else in the place of one of its values, or one more key."""
    tree = copy.deepcopy(TREE)
    node: Any = tree
    while isinstance(node, (dict, list)) and node:
        where = data.draw(
            st.sampled_from(list(node) if isinstance(node, dict) else range(len(node)))
        )
        if data.draw(st.integers(0, 3)) == 0 or not isinstance(node[where], (dict, list)):
            node[where] = data.draw(VALUES)
            if isinstance(node, dict) and data.draw(st.booleans()):
                node[data.draw(st.text())] = data.draw(VALUES)
            break
        node = node[where]
    answers(yaml.safe_dump(tree, allow_unicode=True), environ)


TREE = yaml.safe_load(EVERYTHING)
