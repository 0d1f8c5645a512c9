"""Names in the pages are names of something: variables, metrics, files, options, modules, messages.

A page grows stale without anybody touching it. So each name that a page sets as code is looked up
in the tree: a variable, a metric or an option in what the sources say as text, a file among the
files, a message among those that the sources can make. What belongs to others is listed here, with
whose it is. And the other way round: what a user can set or read is told of on some page.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from importlib.metadata import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import click
import opentelemetry.environment_variables
import opentelemetry.instrumentation.environment_variables
import opentelemetry.sdk.environment_variables
import pytest
import yaml

from collector import plan
from collector.cli import main as portless_collector
from collector.river import River
from collector.server.push.counts import Counts
from telemetry import catalog
from telemetry.cli import main as portless
from telemetry.health.probe import HELP
from tests.support.pages import PAGES, ROOT, Block, code, named, of, prose, steps

if TYPE_CHECKING:
    from collections.abc import Iterator

OTHERS = {
    "CELERY_BROKER_URL": "Celery's",
    "GRPC_VERBOSITY": "gRPC's",
    "HTTPS_PROXY": "of every client",
    "HEALTH_TOKEN": "an application's",
    "METRIC_DATA_TYPE_HISTOGRAM": "OTTL's",
    "PERMISSION_DENIED": "gRPC's",
    "PROMETHEUS_MULTIPROC_DIR": "prometheus_client's",
    "RESOURCE_EXHAUSTED": "gRPC's",
    "TRANSPORT_ALIASES": "kombu's",
    "TYPE_CHECKING": "Python's",
    "UPSTREAM_TOKEN": "an example's",
    "--config.file": "Prometheus'",
    "--detach": "`celery multi`'s",
    "--forwarded-allow-ips": "uvicorn's",
    "--no-proxy-headers": "uvicorn's",
    "--native": "py-spy's",
    "--preload": "gunicorn's",
    "celery_active_consumer_count": "celery-exporter's, and nobody's here",
    "otelcol_process_runtime_": "the OpenTelemetry Collector's, and nobody's here",
    "otelcol_processor_batch_": "likewise",
    "otelcol_processor_incoming_items": "likewise",
    "otelcol_receiver_failed_metric_points": "likewise",
}
CODE = ("collector", "doctor", "telemetry", "demo", "benchmarks")
FOLDERS = (*CODE, "tests", "docs", "deploy")
SOURCES = [
    path
    for top in (*CODE, "tests/chaos", "tests/fuzz")
    for path in sorted((ROOT / top).rglob("*.py"))
]
TREES = [ast.parse(path.read_text()) for path in SOURCES]
SAID = {
    node.value
    for tree in TREES
    for node in ast.walk(tree)
    if isinstance(node, ast.Constant) and isinstance(node.value, str)
}
PLAN = plan.load("", (ROOT / "otel-collector.yaml").read_text(), {})
RIVER = River(PLAN)
RIVER.intake(*PLAN.receivers, "http")
SAMPLES = [*RIVER.self_metrics(), *Counts("otlp_http").samples()]
FILES = [
    path.relative_to(ROOT).as_posix()
    for top in (*FOLDERS, ".ci")
    for path in (ROOT / top).rglob("*")
    if "__pycache__" not in path.parts
] + [path.name for path in ROOT.iterdir()]
DEPLOYED = [
    path.read_text()
    for path in (ROOT / "otel-collector.yaml", ROOT / "Makefile", *(ROOT / "deploy").rglob("*"))
    if path.is_file() and path.suffix != ".json" and "__pycache__" not in path.parts
]
VARIABLE = re.compile(r"(?<![\w/])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?!\w)")
METRIC = re.compile(
    r"(?<![\w/.-])(?:celery|portless|otelcol|flower)_(?:[a-z0-9_]|(?<=_)\{[a-z,]+\})+(?![\w.]*\.ya?ml)"
)
DOTTED = re.compile(
    r"(?<![\w/.-])celery\.(?:task|worker|queue|broker|beat|canary|telemetry)\.[a-z_.]+"
)
TOPS = "|".join(FOLDERS)
PATH = re.compile(rf"(?<![\w/.:-])(?:{TOPS})/[\w./@-]*[\w/]")
FILE = re.compile(r"[\w@./-]+\.(?:py|md|sql|sh|service|Dockerfile)|[\w-]+(?:/[\w-]+)*/")
MODULE = re.compile(r"python3? -m ([\w.]+)")
EXTRAS = re.compile(r"(?:portless|(?<=')\.)\[([\w,-]+)\]")
LITERAL_SHARE = 0.4
"""How much of a message a text of the sources has to say; the rest is what changes in it."""


def variables() -> set[str]:
    """Environment variables, and other words in capitals, that the tree or OpenTelemetry knows."""
    modules = (
        opentelemetry.environment_variables,
        opentelemetry.instrumentation.environment_variables,
        opentelemetry.sdk.environment_variables,
    )
    known = {name for module in modules for name in vars(module)} | SAID
    for text in DEPLOYED:
        known |= set(VARIABLE.findall(text))
    return known


def metrics() -> set[str]:
    """Every name of a metric, as it is pushed and as Prometheus reads it, and what rules record."""
    known = {word for word in SAID if METRIC.fullmatch(word)} | {sample.name for sample in SAMPLES}
    known |= {word.replace(".", "_") for word in SAID if word.startswith("portless.")}
    for metric in catalog.METRICS:
        known |= {metric.name, metric.exposed}
        if metric.kind is catalog.Kind.HISTOGRAM:
            known |= {f"{metric.exposed}_{part}" for part in ("bucket", "sum", "count")}
    for path in (ROOT / "deploy/prometheus").rglob("*.yml"):
        known |= {
            rule["record"]
            for group in (yaml.safe_load(path.read_text()) or {}).get("groups", ())
            for rule in group["rules"]
            if "record" in rule
        }
    return known


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command of both programs, by its path."""

    def below(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        yield name, command
        if isinstance(command, click.Group):
            for word, inner in command.commands.items():
                yield from below(f"{name} {word}", inner)

    yield from below("portless", portless)
    yield from below("portless-collector", portless_collector)


def options() -> dict[str, list[list[str]]]:
    """The options of each of our commands, each with all its spellings."""
    found = {
        name: [
            [*parameter.opts, *parameter.secondary_opts]
            for parameter in command.params
            if parameter.param_type_name == "option" and parameter.name not in {"help", "version"}
        ]
        for name, command in commands()
    }
    found["portless health"] += [
        [text] for text in re.findall("^ +(--[a-z-]+)", HELP, re.MULTILINE)
    ]
    return found


def extras_there() -> set[str]:
    """The extras that can be installed."""
    return set(metadata("portless").get_all("Provides-Extra") or ())


def names(text: str) -> Iterator[str]:
    """The names that a word with {a,b} in it stands for."""
    found = re.search(r"\{([a-z,]+)\}", text)
    if not found:
        yield text
        return
    for each in found[1].split(","):
        yield from names(text[: found.start()] + each + text[found.end() :])


def unless_others(words: list[str]) -> list[str]:
    """Leave out what belongs to others."""
    return [word for word in words if word not in OTHERS]


@pytest.fixture(scope="module", params=PAGES, ids=named)
def page(request: pytest.FixtureRequest) -> Path:
    """A page."""
    found: Path = request.param
    return found


def test_variables_exist(page: Path) -> None:
    """Each environment variable on a page is one that something reads."""
    found = [word for each in code(page) for word in VARIABLE.findall(each)]
    known = variables()
    assert not [word for word in unless_others(found) if word not in known]


def test_metrics_exist(page: Path) -> None:
    """Each metric on a page is one that we push, expose, count of ourselves, or record."""
    known = metrics()
    wrong = []
    for text in code(page):
        for found in METRIC.finditer(text):
            for name in unless_others(list(names(found[0]))):
                is_open = name.endswith("_")
                if not (any(each.startswith(name) for each in known) if is_open else name in known):
                    wrong.append(name)
        wrong += [name for name in DOTTED.findall(text) if name not in known]
    assert not wrong


def test_files_exist(page: Path) -> None:
    """Each file of ours that a page names is there, by its path or by the end of it."""
    said = list(PATH.findall(re.sub(r"\]\([^)]*\)", "", prose(page))))
    wrong = [word for word in said if not (ROOT / word).exists()]
    spans = [text for text in code(page) if FILE.fullmatch(text)]
    ends = {end for path in FILES for end in (path, path[path.find("/") + 1 :], Path(path).name)}
    wrong += [text for text in spans if text.rstrip("/") not in ends]
    assert not wrong


def test_options_exist(page: Path) -> None:
    """An option that stands alone is one of a command of ours, or of somebody listed here."""
    known = {text for each in options().values() for texts in each for text in texts} | SAID
    found = [each for text in code(page) for each in re.findall(r"^--[a-z][a-z.-]+", text)]
    assert not [each for each in unless_others(found) if each not in known]


def test_modules_and_extras_exist(page: Path) -> None:
    """What is run by `python -m` can be found, and what is installed by an extra is one."""
    text = "\n".join(code(page))
    modules = [name for name in MODULE.findall(text) if name.split(".")[0] in FOLDERS]
    assert not [name for name in modules if importlib.util.find_spec(name) is None]
    extras = [word for found in EXTRAS.findall(text) for word in found.split(",")]
    assert not [word for word in extras if word not in extras_there()]


TESTS = {
    node.name
    for path in (ROOT / "tests").rglob("test_*.py")
    for node in ast.parse(path.read_text()).body
    if isinstance(node, ast.FunctionDef)
}


def test_tests_exist(page: Path) -> None:
    """A test that a page names is one, in a row with its file that file's."""
    said = re.findall(r"`(test_\w+)`", prose(page))
    assert not [name for name in said if name not in TESTS]
    for file, rest in re.findall(r"^\| `(tests/[\w/]+\.py)`(.*)$", prose(page), re.MULTILINE):
        source = (ROOT / file).read_text()
        assert not [name for name in re.findall(r"`(test_\w+)`", rest) if name not in source]


def template(node: ast.expr) -> tuple[re.Pattern[str], int] | None:
    """A text of the sources as a pattern for what it can become, and how many letters it says."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    pattern, letters = "", 0
    for part in parts:
        if not isinstance(part, ast.Constant):
            pattern += ".+?"
        elif isinstance(part.value, str):
            for at, piece in enumerate(re.split(r"%[-.\d]*[sdrf]", part.value)):
                pattern += (".+?" if at else "") + re.escape(piece)
                letters += len(piece)
    return (re.compile(pattern, re.DOTALL), letters) if letters > 5 else None


TEMPLATES = [
    found
    for tree in TREES
    for node in ast.walk(tree)
    if isinstance(node, ast.JoinedStr | ast.Constant) and (found := template(node))
]


def is_said(message: str) -> bool:
    """Whether a text of the sources is a good part of it, letter by letter."""
    least = LITERAL_SHARE * len(message)
    return any(letters >= least and pattern.search(message) for pattern, letters in TEMPLATES)


def messages() -> list[tuple[Block, str]]:
    """What programs of ours print on a page: blocks marked log, and consoles that do not run."""
    shown = [(block, " ".join(block.text.split())) for block in of("log")]
    shown += [
        (block, line)
        for block in of("console", "")
        for command, lines in steps(block)
        if re.search(r"\bportless", command)
        for line in lines
    ]
    return shown


@pytest.mark.parametrize(("block", "message"), messages(), ids=str)
def test_messages_are_made_somewhere(block: Block, message: str) -> None:
    """What a page says that our programs print stands, but for what changes, in a source."""
    assert is_said(message), f"{block}: {message}"


EVERYTHING = "\n".join(page.read_text() for page in PAGES)


def test_every_option_is_documented() -> None:
    """Each command and each of its options is on some page."""
    for name, found in options().items():
        assert name in EVERYTHING, name
        missing = [
            texts
            for texts in found
            if not any(re.search(rf"(?<![\w-]){text}(?![\w-])", EVERYTHING) for text in texts)
        ]
        assert not missing, name


def test_every_variable_is_documented() -> None:
    """Each variable that the two packages or the configuration read is on some page."""
    read = {word for word in SAID if re.fullmatch("PORTLESS_[A-Z_]+", word)}
    config = (ROOT / "otel-collector.yaml").read_text()
    read |= set(re.findall(r"\$\{env:([A-Z_]+)", config)) - {"NAME"}
    assert not [word for word in read if not re.search(rf"{word}(?!\w)", EVERYTHING)]


def test_every_own_metric_is_documented() -> None:
    """docs/operate.md tells of every metric that the collector has about itself, servers too."""
    text = (ROOT / "docs/operate.md").read_text()
    told = {
        node.value
        for path, tree in zip(SOURCES, TREES, strict=True)
        if path.is_relative_to(ROOT / "collector")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if re.fullmatch("(portless|otelcol)_[a-z_]+[a-z]", node.value)
    } | {sample.name for sample in SAMPLES}
    assert not [name for name in told if f"`{name}`" not in text]


def test_the_versions_are_those_of_the_matrix() -> None:
    """docs/instrument.md says of each corner of noxfile.py, and of the whole, what it is."""
    said = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse((ROOT / "noxfile.py").read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        if node.targets[0].id in {"PYTHONS", "CELERIES", "SDKS", "CORNERS"}
    }
    (python, celery, sdk), *others = said["CORNERS"]
    corners = [f"Celery {celery} with OpenTelemetry {sdk} on Python {python}"]
    corners += [f"{celery}, {sdk}, {python}" for python, celery, sdk in others]
    whole = (
        f"Celery {', '.join(said['CELERIES'])}, each with OpenTelemetry {', '.join(said['SDKS'])}, "
        f"on Python {said['PYTHONS'][0]} to {said['PYTHONS'][-1]}"
    )
    text = (ROOT / "docs/instrument.md").read_text()
    assert "; ".join(corners) in text
    assert whole in text


def test_every_extra_is_documented() -> None:
    """Each extra for users is on some page; those for development are made by make."""
    development = {"check", "demo", "deploy", "fuzz", "mutation", "test"}
    extras = {word for found in EXTRAS.findall(EVERYTHING) for word in found.split(",")}
    assert extras_there() - development <= extras
