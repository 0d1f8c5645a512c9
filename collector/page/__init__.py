"""The page: what it tells, and the files that a browser shows it with."""
