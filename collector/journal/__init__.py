"""Bytes that outlive the process: appended before they are acknowledged, read at the start."""
