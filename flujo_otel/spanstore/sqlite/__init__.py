"""The SQLite backend of the span store.

Behind the ports of `spanstore`, by their names: `backlog`, `changes`, `destinations`, `diagnosis`,
`maintenance`, `runlog`, `statelog`, `tracelog`; `writer` and `reader` are those of `api`.

    opened               a database open for writing, with all that belongs to it
    connection           how it is opened; `layout`: whose it is, and its tables by migrations/;
                         `tuning`: what it may use; `files`: whether it is still what the name
                         leads to; `sides`: the WAL and its index beside it
    standing_connection  the one that stays open, for flujo's small writes (runlog.sql);
                         `xray_connection`: the one that a program is given (xray_views.sql)
    staging              how a batch gets in: staged.sql, pour.sql or replacement.sql, usage.sql
    checkpoint           the turns that writes take, and the WAL's way into the database;
                         `backfill`: the long part of that
    processes            who writes to the file; `living_processes`: who may have open spans
    rows                 rows as the model; `roots`, `search`, `selection`, `statistics`: what
                         `reader` asks; `due`: what is to be forwarded
    deletion             runs, in portions
    faults               what sqlite3 raises, as our errors
"""
