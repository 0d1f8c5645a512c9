"""The embedded collector: OTLP in, redaction that keeps every sum exact, Prometheus out."""
