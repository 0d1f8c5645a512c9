"""`portless`, and `python -m telemetry`: a short way in for the probe, click's for all else."""

import sys


def main() -> int:
    """Run the command that the arguments name; its exit code."""
    if sys.argv[1:2] == ["health"]:
        from telemetry.health.probe import main as health  # noqa: PLC0415 - before click

        return health(sys.argv[2:])
    from telemetry.cli import main as others  # noqa: PLC0415 - after the probe

    others(prog_name="portless")
    return 0


if __name__ == "__main__":
    sys.exit(main())
