"""One file per extension type of the OpenTelemetry Collector that this engine has."""
