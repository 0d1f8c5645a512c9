"""The boards, a file each: six questions that a person has, from the first look to the last."""

from __future__ import annotations

from deploy.grafana.boards import collector, overview, queues, redaction, task, workers

BOARDS = tuple(module.BOARD for module in (overview, task, workers, queues, redaction, collector))
