"""The part of the OpenTelemetry Transformation Language that speaks of streams, not of numbers."""
