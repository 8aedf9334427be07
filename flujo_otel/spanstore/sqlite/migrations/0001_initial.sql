-- The seeds' tables, column for column as FSD-08 and Trace Storage v2.0 print them; what is ours
-- comes after their columns and in tables beside theirs. tests/integration/storage compares them.

CREATE TABLE runs (
    run_id TEXT PRIMARY KEY,
    pipeline_name TEXT NOT NULL,
    pipeline_version TEXT NOT NULL,
    status TEXT NOT NULL,
    start_time TEXT NOT NULL,
    end_time TEXT,
    total_cost REAL,
    final_context_blob TEXT,
    -- ours
    trace_id TEXT,
    start_time_ns INTEGER NOT NULL DEFAULT 0,
    end_time_ns INTEGER,
    last_time_ns INTEGER NOT NULL DEFAULT 0,
    root_start_ns INTEGER,           -- of the root that gave status and times; NULL: no root yet
    total_tokens INTEGER,
    span_count INTEGER NOT NULL DEFAULT 0,
    error_count INTEGER NOT NULL DEFAULT 0,
    running_count INTEGER NOT NULL DEFAULT 0,
    counted_cost REAL NOT NULL DEFAULT 0,
    counted_tokens INTEGER NOT NULL DEFAULT 0,
    cost_count INTEGER NOT NULL DEFAULT 0,      -- spans that count, by measure (usage.sql)
    token_count INTEGER NOT NULL DEFAULT 0,
    unpriced_count INTEGER NOT NULL DEFAULT 0,  -- of those with tokens, without a known cost
    writer_id INTEGER,               -- who has its root open, else who wrote it first
    change_seq INTEGER NOT NULL DEFAULT 0,
    -- as flujo 0.6 states them
    execution_time_ms INTEGER,
    memory_usage_mb REAL,
    total_steps INTEGER,
    error_message TEXT
);
CREATE INDEX idx_runs_status ON runs(status);
CREATE INDEX idx_runs_pipeline_name ON runs(pipeline_name);
CREATE INDEX idx_runs_start_time_ns ON runs(start_time_ns);
CREATE INDEX idx_runs_status_start ON runs(status, start_time_ns);
CREATE INDEX idx_runs_pipeline_start ON runs(pipeline_name, start_time_ns);
CREATE INDEX idx_runs_change_seq ON runs(change_seq);

CREATE TABLE steps (
    step_run_id TEXT PRIMARY KEY,    -- <run_id>:<step_index>, as flujo names them
    run_id TEXT NOT NULL,
    step_name TEXT NOT NULL,
    step_index INTEGER NOT NULL,
    status TEXT NOT NULL,
    start_time TEXT NOT NULL,
    end_time TEXT,
    duration_ms INTEGER,
    cost REAL,
    tokens INTEGER,
    input_blob TEXT,
    output_blob TEXT,
    error_blob TEXT,
    -- ours
    span_id TEXT,
    start_time_ns INTEGER NOT NULL DEFAULT 0,
    end_time_ns INTEGER,
    raw_response_blob TEXT,
    unpriced_count INTEGER NOT NULL DEFAULT 0,
    FOREIGN KEY (run_id) REFERENCES runs(run_id) ON DELETE CASCADE
);
CREATE INDEX idx_steps_run_id ON steps(run_id);
CREATE INDEX idx_steps_span_id ON steps(span_id);

CREATE TABLE spans (
    span_id TEXT PRIMARY KEY,
    run_id TEXT NOT NULL,
    parent_span_id TEXT,
    name TEXT NOT NULL,
    start_time REAL NOT NULL,
    end_time REAL,
    status TEXT DEFAULT 'running',
    attributes TEXT, -- JSON for flexible metadata
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    -- ours: the truth, of which the columns above are a projection
    trace_id TEXT NOT NULL,
    otel_span_id TEXT NOT NULL,
    otel_parent_id TEXT,
    start_time_ns INTEGER NOT NULL,
    end_time_ns INTEGER,
    kind INTEGER NOT NULL,
    status_message TEXT,
    events TEXT,
    links TEXT,
    resource_id INTEGER NOT NULL,
    scope_id INTEGER NOT NULL,
    named_run_id TEXT,               -- the run that it (or a living ancestor) named; NULL: inferred
    role INTEGER NOT NULL,           -- model.Role
    cost_usd REAL,
    tokens INTEGER,
    usage_below INTEGER,             -- usage.sql
    cost_below REAL,
    tokens_below INTEGER,
    unpriced_below INTEGER,
    flags INTEGER NOT NULL,
    status_code INTEGER NOT NULL,
    otlp BLOB,                       -- NULL: exactly what the columns say (wire/message.py)
    change_seq INTEGER NOT NULL,
    content_seq INTEGER,             -- the change_seq of its content where that is an earlier one
    FOREIGN KEY (run_id) REFERENCES runs(run_id) ON DELETE CASCADE,
    FOREIGN KEY (parent_span_id) REFERENCES spans(span_id) ON DELETE CASCADE
);
CREATE INDEX idx_spans_run_id ON spans(run_id);
CREATE INDEX idx_spans_status ON spans(status);
CREATE INDEX idx_spans_name ON spans(name);
CREATE INDEX idx_spans_start_time ON spans(start_time);
CREATE INDEX idx_spans_parent_span_id ON spans(parent_span_id);
CREATE INDEX idx_spans_change_seq ON spans(change_seq);
-- Few rows change but for their content: spans of a run that was named late.
CREATE INDEX idx_spans_content_seq ON spans(content_seq) WHERE content_seq IS NOT NULL;
-- Few spans carry usage, or have such beneath them.
CREATE INDEX idx_spans_usage ON spans(parent_span_id)
WHERE cost_usd IS NOT NULL OR tokens IS NOT NULL OR usage_below IS NOT NULL;

-- FSD-09's table, as a view.
CREATE VIEW traces AS
SELECT
    span_id,
    run_id,
    parent_span_id,
    name,
    strftime('%Y-%m-%dT%H:%M:%S', start_time_ns / 1000000000, 'unixepoch')
        || printf('.%06d+00:00', start_time_ns / 1000 % 1000000) AS start_time,
    strftime('%Y-%m-%dT%H:%M:%S', end_time_ns / 1000000000, 'unixepoch')
        || printf('.%06d+00:00', end_time_ns / 1000 % 1000000) AS end_time,
    attributes AS attributes_json
FROM spans;

CREATE TABLE resources (
    resource_id INTEGER PRIMARY KEY,
    attributes TEXT NOT NULL,
    schema_url TEXT NOT NULL,
    otlp BLOB NOT NULL,
    -- NULL where the SDK filled it in for want of a name
    service_name TEXT AS (
        CASE WHEN json_extract(attributes, '$."service.name"') NOT LIKE 'unknown_service%'
        THEN json_extract(attributes, '$."service.name"') END
    ) VIRTUAL,
    service_version TEXT AS (json_extract(attributes, '$."service.version"')) VIRTUAL
);

CREATE TABLE scopes (
    scope_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    schema_url TEXT NOT NULL,
    otlp BLOB NOT NULL
);

-- OTel traces with spans of runs that have a name of their own. A trace without is its own run.
CREATE TABLE run_traces (
    trace_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    PRIMARY KEY (trace_id, run_id)
) WITHOUT ROWID;

-- OTel span ids that more than one span has used; only those need a second look when stored.
CREATE TABLE shared_span_ids (otel_span_id TEXT PRIMARY KEY) WITHOUT ROWID;

-- Runs whose spans are a tree that was handed in: it gives way to the run's own spans.
CREATE TABLE trees (run_id TEXT PRIMARY KEY) WITHOUT ROWID;

-- How far a run of flujo's has come, so that it can go on: by column what flujo's backends keep.
-- Needed word for word, so nothing in it is redacted. Times are kept as they were given.
CREATE TABLE workflow_state (
    run_id TEXT PRIMARY KEY,
    pipeline_id TEXT NOT NULL,
    pipeline_name TEXT NOT NULL,
    pipeline_version TEXT NOT NULL,
    current_step_index INTEGER NOT NULL,
    pipeline_context TEXT NOT NULL,  -- JSON, as are the next one and metadata
    last_step_output TEXT,
    status TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    total_steps INTEGER,
    error_message TEXT,
    execution_time_ms INTEGER,
    memory_usage_mb REAL,
    metadata TEXT,
    is_background_task INTEGER NOT NULL DEFAULT 0,
    parent_run_id TEXT,
    task_id TEXT,
    background_error TEXT,
    -- ours
    created_at_ns INTEGER NOT NULL,
    updated_at_ns INTEGER NOT NULL
);

-- The steps that a state has behind it, one by one: a state is saved after each of them, and
-- written as a whole the history of 100 steps is written a hundred times.
CREATE TABLE workflow_history (
    run_id TEXT NOT NULL,
    n INTEGER NOT NULL,
    entry TEXT NOT NULL,             -- JSON
    PRIMARY KEY (run_id, n)
) WITHOUT ROWID;

-- States that were deleted here and are still in flujo's own file, which is never written to.
CREATE TABLE forgotten_states (run_id TEXT PRIMARY KEY) WITHOUT ROWID;

-- What flujo keeps by name for its connectors.
CREATE TABLE system_state (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,             -- JSON
    updated_at TEXT NOT NULL
) WITHOUT ROWID;

-- flujo's shadow evaluations.
CREATE TABLE evaluations (
    evaluation_id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL,
    step_name TEXT,
    score REAL NOT NULL,
    feedback TEXT,
    metadata TEXT,                   -- JSON
    created_at TEXT NOT NULL
);
CREATE INDEX idx_evaluations_run_id ON evaluations(run_id);

CREATE TABLE sequence (value INTEGER NOT NULL);
INSERT INTO sequence VALUES (0);

CREATE TABLE writers (
    writer_id INTEGER PRIMARY KEY,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    process_start TEXT NOT NULL,
    command TEXT NOT NULL,
    opened_at_ns INTEGER NOT NULL,
    seen_at_ns INTEGER NOT NULL,     -- last known to be alive: how long a died run lived, at least
    UNIQUE (host, pid, process_start)
);

-- What came in, by the service that sent it: ended spans, and how many were identical duplicates.
CREATE TABLE services (
    service TEXT PRIMARY KEY,
    received INTEGER NOT NULL,
    unchanged INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE ledger (
    service TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    count INTEGER NOT NULL,
    first_time_ns INTEGER NOT NULL,
    last_time_ns INTEGER NOT NULL,
    PRIMARY KEY (service, reason, detail)
) WITHOUT ROWID;

-- How far each destination of the forwarder has come in the change sequence, and who may send.
CREATE TABLE cursors (
    destination TEXT PRIMARY KEY,
    endpoint TEXT NOT NULL,          -- without what may be secret in it
    position INTEGER NOT NULL,       -- all changes up to it are sent, or passed by
    holder TEXT,                     -- token of who may send; NULL: nobody
    holder_id INTEGER,               -- the process that has it, in writers
    leased_until_ns INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'ok',
    sent INTEGER NOT NULL DEFAULT 0,
    rejected INTEGER NOT NULL DEFAULT 0,
    rejection TEXT NOT NULL DEFAULT '',
    rejected_at_ns INTEGER,
    error TEXT NOT NULL DEFAULT '',
    error_at_ns INTEGER,
    sent_at_ns INTEGER
) WITHOUT ROWID;
