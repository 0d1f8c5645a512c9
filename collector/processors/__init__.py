"""One file per processor type of the OpenTelemetry Collector that this engine has."""
