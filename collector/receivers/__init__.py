"""One file per receiver type of the OpenTelemetry Collector that this engine has."""
