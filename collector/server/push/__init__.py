"""Exporters that push: when they do, how, and what becomes of what could not be pushed."""
