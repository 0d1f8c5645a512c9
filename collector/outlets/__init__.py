"""Between the ledgers and the exporters: what each exporter makes of the series that are kept."""
