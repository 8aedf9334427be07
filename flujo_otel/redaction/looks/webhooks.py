"""What a webhook's URL lets whoever has it do: Slack's, Discord's, Telegram's bots.

before: https://hooks.slack.com/services/T01/B02/a1b2c3
after:  https://hooks.slack.com/services/[REDACTED]
"""

from typing import Final

from flujo_otel.redaction.looks.rules import literal

RULES: Final = (
    literal("slack.com/services/", r"(?<=slack\.com/services/)[A-Za-z0-9/]{10,}+"),
    literal("/api/webhooks/", r"(?<=/api/webhooks/)[0-9]{15,20}/[A-Za-z0-9_\-]{20,}+"),
    literal("telegram.org/bot", r"(?<=telegram\.org/bot)[0-9]{6,12}:[A-Za-z0-9_\-]{20,}+"),
)
