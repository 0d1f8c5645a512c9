"""From streams and their readings to the text that Prometheus scrapes."""
