"""All that an engine remembers, as OTLP requests, and back."""
