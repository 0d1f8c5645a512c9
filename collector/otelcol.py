"""The words for what only the other engine does.

Nothing comes in. Out: the sentence that a refusal ends with when the OpenTelemetry Collector could
run the file. It knows nothing else.
"""

from __future__ import annotations

NOT_HERE = "not supported by this engine"
CAN_RUN_IT = "The OpenTelemetry Collector (otelcol-contrib) can run it: see README.md."
IF_KNOWN_CAN_RUN_IT = (
    "If the OpenTelemetry Collector (otelcol-contrib) has it, that can run it: see README.md."
)
