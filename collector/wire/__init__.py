"""From the bytes of an OTLP request to the streams and numbers in it."""
