"""Cells in a mapped file: a worker's numbers outlive it on the disk of its host."""
