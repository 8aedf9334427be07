"""What programs save and load, in the shapes that the seeds give it. `sqlite` has both classes.

flujo's, `SQLiteBackend`:

    backend          runs, steps and trace trees
    workflows        the rest of its methods: states to go on from, and what flujo keeps by name;
                     `recent_runs`: which runs' states are kept here
    rows, shapes     the dicts that it is given, to rows; rows to the dicts that it answers with,
                     by `flujo_version`
    state_rows       workflow states to rows and back; `state_codec`: what is in them, as JSON;
                     `tagged`: values in them that JSON has no word for
    trace_tree       trees to span records and back; `flujo_tree` puts flujo's own times right
    late_steps       records of steps, written a little later; `fixed_step`: which can be made then;
                     `missing_steps`: those that were not written
    unsaved          states that were not saved, told and counted
    event_loop       how its methods keep from holding the event loop up

X-Ray's, `SQLiteStorage`:

    traces           Trace and Step; `keepable`: which of them cannot be stored
    storage_backend  StorageBackend, which a program may implement itself
    trace_storage    SQLiteStorage
    trace_spans      Trace and Step to span records and back; `decisions`, `llm`: attributes
    snapshot         values as they are when they are handed in
    moments          X-Ray's local times; `random_ids`: ids for what has none

Of both, `bound`: how much of a value is read.

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
