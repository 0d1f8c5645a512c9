"""What `service` says of the collector itself, rather than of its pipeline."""
