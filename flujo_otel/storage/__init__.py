"""What programs save and load: flujo's runs and states (`backend`), X-Ray's traces (`sqlite`).

A value becomes JSON in five ways, here and elsewhere, since its readers want different things:

| way | of what | what is lost |
|---|---|---|
| `recording.json_text` | content in producers' spans | what is over a size or a time; secrets |
| `storage.snapshot` | what X-Ray is given, a copy | objects but for their words; what is huge |
| `storage.plain` | flujo's records, for people | types: a date and its text are the same |
| `storage.state_codec` | flujo's states, to go on from | what it has no tag for; secrets stay |
| `wire.values` | attributes: OTLP, and JSON of it | in the JSON types, in both what OTLP lacks |

The first two read other people's objects with `shape`, which knows what those hide; `plain` and
`state_codec` word them as flujo does. `snapshot` and `plain` give Python's plain values, redacted
by whoever writes them; the others give text.
"""
