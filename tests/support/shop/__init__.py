"""An application whose worker opens a port: what the guard is there to find."""
