"""The commands: what they print, where, and how they end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from collector import cli, command_line
from collector.engine import STREAMS_MAX
from tests.collector.otlp import START, Request

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "otel-collector.yaml"
JOBS = """# HELP jobs_total 
# TYPE jobs_total counter
jobs_total{instance="w1",job="celery",task_name="a"} 15
"""  # noqa: W291 - an empty help ends with a space


def invoke(*arguments: str | Path) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


def push(folder: Path, name: str, value: int, tenant: str) -> Path:
    """Write a request with one counter to a file, as protobuf."""
    file = folder / name
    pairs = {"task_name": "a", "tenant_id": tenant}
    file.write_bytes(Request().counter("jobs", pairs, value).bytes())
    return file


def push_json(folder: Path, points: list[dict[str, object]]) -> Path:
    """Write a request with one counter to a file, as JSON."""
    file = folder / "request.json"
    data = {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": points}
    metric = {"name": "jobs", "sum": data}
    file.write_text(json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}))
    return file


def test_replay_shows_what_would_be_exposed(tmp_path: Path) -> None:
    """Requests are taken in their order, the rules are those of the file."""
    first, second = push(tmp_path, "1.pb", 10, "t1"), push(tmp_path, "2.pb", 5, "t2")
    found = invoke("replay", "--config", CONFIG, first, second)
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout.startswith(JOBS)


def test_replay_reads_json(tmp_path: Path) -> None:
    """Any file whose name does not end in .pb."""
    task = {"key": "task_name", "value": {"stringValue": "a"}}
    point: dict[str, object] = {"asInt": "7", "startTimeUnixNano": str(START), "attributes": [task]}
    found = invoke("replay", "--config", CONFIG, push_json(tmp_path, [point]))
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout.endswith('\njobs_total{task_name="a"} 7\n')


def test_replay_prints_open_metrics(tmp_path: Path) -> None:
    """Whatever the configuration offers to Prometheus."""
    found = invoke("replay", "--config", CONFIG, "--open-metrics", push(tmp_path, "1.pb", 1, "t"))
    assert found.stdout.startswith("# HELP jobs \n# TYPE jobs counter\njobs_total{")
    assert found.stdout.endswith("# EOF\n")


def test_replay_says_what_was_refused_and_why(tmp_path: Path) -> None:
    """On standard error, without the labels' values; the rest is exposed."""
    points: list[dict[str, object]] = [
        {"asInt": "7", "startTimeUnixNano": str(START)},
        {
            "asInt": "-1",
            "startTimeUnixNano": str(START),
            "attributes": [{"key": "task_name", "value": {"stringValue": "secret"}}],
        },
    ]
    file = push_json(tmp_path, points)
    found = invoke("replay", "--config", CONFIG, file)
    assert (found.exit_code, found.stderr) == (0, f"{file}: 1 points refused: negative\n")
    assert found.stdout.endswith("\njobs_total 7\n")
    assert "secret" not in found.output


def test_replay_ends_at_a_file_that_is_no_request(tmp_path: Path) -> None:
    """With the file's name and what is wrong; nothing is exposed."""
    file = tmp_path / "1.json"
    file.write_text("{bad")
    found = invoke("replay", "--config", CONFIG, file)
    assert (found.exit_code, found.stdout) == (1, "")
    assert found.stderr == f"{file}: the body is not JSON\n"


def test_replay_needs_files() -> None:
    """Without one, or with one that is not there, it says how it is used."""
    assert invoke("replay", "--config", CONFIG).exit_code == 2
    assert invoke("replay", "--config", CONFIG, "/no/such/file").exit_code == 2


def test_replay_has_the_limit_on_streams(tmp_path: Path) -> None:
    """Like `run`, so that one can see what it would do."""
    first, second = push(tmp_path, "1.pb", 10, "t1"), push(tmp_path, "2.pb", 5, "t2")
    found = invoke("replay", "--config", CONFIG, "--max-streams", "1", first, second)
    assert found.stderr == f"{second}: 1 points refused: stream_limit\n"


def test_validate_says_that_a_file_is_valid() -> None:
    """And what is worth knowing about it, on standard error."""
    found = invoke("validate", "--config", CONFIG)
    assert (found.exit_code, found.stdout) == (0, f"{CONFIG}: valid\n")
    assert "processors::batch: " in found.stderr


@pytest.mark.parametrize("command", ["validate", "run"])
def test_a_wrong_configuration_is_refused(tmp_path: Path, command: str) -> None:
    """Every mistake with its line, and exit code 1."""
    file = tmp_path / "wrong.yaml"
    text = CONFIG.read_text()
    file.write_text(text.replace("  batch:", "  bach:").replace("without_scope", "witout_scope"))
    found = invoke(command, "--config", file)
    assert (found.exit_code, found.stdout) == (1, "")
    assert all(line.startswith((f"{file}:", "    ")) for line in found.stderr.splitlines())
    assert found.stderr.count(f"{file}:") >= 2


@pytest.mark.parametrize("command", ["validate", "run"])
def test_a_configuration_that_cannot_be_read_is_said(tmp_path: Path, command: str) -> None:
    """In one line, whether it is missing or not text."""
    missing, binary = tmp_path / "missing.yaml", tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe")
    found = invoke(command, "--config", missing)
    assert (found.exit_code, found.stderr) == (1, f"{missing}: No such file or directory\n")
    found = invoke(command, "--config", binary)
    assert (found.exit_code, found.stderr) == (1, f"{binary}: not UTF-8\n")


def test_the_configuration_beside_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """./otel-collector.yaml, of wherever one is."""
    monkeypatch.chdir(tmp_path)
    assert invoke("validate").stderr == "otel-collector.yaml: No such file or directory\n"


def test_help_is_quick() -> None:
    """It imports nothing that the commands need."""
    code = (
        "import sys; from collector import cli; "
        "print([name for name in ('numpy', 'google.protobuf', 'asyncio', 'yaml')"
        " if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout == "[]\n"


def test_the_commands_tell_of_themselves() -> None:
    """Version and help, and the engine's own limit as the default."""
    assert invoke("--version").output.startswith("portless-collector")
    assert all(name in invoke("-h").output for name in ("run", "validate", "replay"))
    assert command_line.STREAMS_MAX == STREAMS_MAX


def test_it_runs_as_a_module() -> None:
    """`python -m collector` is the command."""
    command = [sys.executable, "-m", "collector", "--help"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.startswith("Usage: portless-collector ")
