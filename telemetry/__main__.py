"""`python -m telemetry` is `portless`."""

from telemetry.cli import main

main(prog_name="portless")
