"""The Grafana dashboards, and what they are made from."""
