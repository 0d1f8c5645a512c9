"""What everybody in the shop knows: who its tenants are, and what its two metrics are called."""

from __future__ import annotations

TENANTS = ("acme", "globex", "initech")
TOKENS = "shop.llm.tokens"
"""A counter: tokens that language models wrote."""
DELAY = "shop.conversion.delay"
"""A histogram: seconds from a click to the purchase that followed."""
EXPOSED = {TOKENS: "shop_llm_tokens_total", DELAY: "shop_conversion_delay_seconds_count"}
"""The series behind the collector whose values tell how much there was."""
QUEUES = ("attribution", "housekeeping", "llm", "maintenance")
