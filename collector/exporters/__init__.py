"""One file per exporter type of the OpenTelemetry Collector that this engine has."""
