-- What a pour works on (pour.sql): TEMP tables, in memory and locked by nobody, and views on them.

-- Small columns first: each statement below scans this table, and would else walk over the large.
CREATE TEMP TABLE staged (
    n INTEGER PRIMARY KEY,
    -- given a first guess by the writer, settled below
    span_id, run_id,
    -- of the stored row that this one meets
    old_status, old_run_id,
    -- whether its ids were used before, for a span with another start
    is_reused,
    -- the number of its content where that row has the very same
    content_seq,
    -- as the record says
    role, status, start_time_ns, end_time_ns, kind, cost_usd, tokens, resource_id, scope_id,
    flags, status_code,
    trace_id, otel_span_id, otel_parent_id, named_run_id,
    name, status_message, attributes, events, links, otlp
);

-- Rows that change their run: by a late ancestor that names it.
CREATE TEMP TABLE moved (span_id PRIMARY KEY, old_run_id, run_id, status, start_time_ns, last_ns);

-- Each run that a batch touches: what is added to its counts, and its row, as it is and then as it
-- will be. It is put together here, where nothing is indexed, and written once.
CREATE TEMP TABLE touched (
    run_id PRIMARY KEY, span_delta, error_delta, running_delta, first_ns, last_ns,
    opens, opens_root, -- whether the batch has a running span, a running root of it
    is_known, trace_id, pipeline_name, pipeline_version, status, start_time, end_time,
    start_time_ns, end_time_ns, last_time_ns, root_start_ns, span_count, error_count, running_count,
    writer_id, final_context_blob
);

-- Runs whose handed-in tree gives way, during one pour.
CREATE TEMP TABLE replaced (run_id PRIMARY KEY) WITHOUT ROWID;

-- Steps and roots, which few spans are.
CREATE INDEX temp.staged_roles ON staged(role) WHERE role <> 0;

-- Rows of `staged` whose span id is in use. Most often none, and what only looks at these costs
-- nothing then.
CREATE TEMP TABLE taken (n INTEGER PRIMARY KEY);

-- `row_count`: without the rows that only fill up. `received`: ended spans by resource, as a JSON object.
CREATE TEMP VIEW pour AS
SELECT
    0 AS row_count, 0 AS writer_id, '' AS service, '{}' AS received, 0 AS now_ns, '' AS created_at;

-- The rows below a span that names its run, as far down as nobody else names one. Two beginnings: a
-- staged span that names a run, in a trace some of whose spans were filed under the trace id (only
-- then is there a run of that id); and the stored parent of a staged span that names none, in a
-- trace where some span does. UNION (not UNION ALL) ends it where parents go round in a circle.
CREATE TEMP VIEW below AS
WITH RECURSIVE down(trace_id, otel_span_id, run_id) AS (
    SELECT s.trace_id, s.otel_span_id, s.run_id
    FROM staged s
    WHERE s.named_run_id IS NOT NULL
        AND s.trace_id <> s.run_id
        AND s.trace_id IN (SELECT run_id FROM runs)
    UNION
    SELECT p.trace_id, p.otel_span_id, p.run_id
    FROM staged s
    CROSS JOIN spans p ON p.span_id IN (s.otel_parent_id, s.trace_id || ':' || s.otel_parent_id)
    WHERE s.named_run_id IS NULL
        AND p.trace_id = s.trace_id
        AND p.run_id <> s.run_id
        AND s.trace_id IN (SELECT trace_id FROM run_traces)
    UNION
    SELECT c.trace_id, c.otel_span_id, d.run_id
    FROM down d
    CROSS JOIN spans c ON c.parent_span_id IN (d.otel_span_id, d.trace_id || ':' || d.otel_span_id)
    WHERE c.trace_id = d.trace_id AND c.named_run_id IS NULL
)
SELECT d.run_id AS new_run_id, c.*
FROM down d
CROSS JOIN spans c ON c.span_id IN (d.otel_span_id, d.trace_id || ':' || d.otel_span_id)
WHERE c.trace_id = d.trace_id AND c.named_run_id IS NULL AND c.run_id <> d.run_id;

-- The rows of `steps` to write: of what arrives, and of what moves to another run.
-- What a step used is what there is beneath it, else what it states itself (usage.sql).
CREATE TEMP VIEW step_spans AS
SELECT s.span_id, s.run_id, s.name, s.status, s.status_message, s.start_time_ns, s.end_time_ns,
    CASE WHEN s.usage_below & 1 THEN s.cost_below ELSE s.cost_usd END AS cost_usd,
    CASE WHEN s.usage_below & 2 THEN s.tokens_below ELSE s.tokens END AS tokens,
    COALESCE(s.unpriced_below, 0)
        + (s.tokens IS NOT NULL AND s.cost_usd IS NULL AND NOT COALESCE(s.usage_below, 0))
        AS unpriced_count,
    -- Others' spans may say anything.
    CASE json_type(s.attributes, '$."flujo.step.index"')
        WHEN 'integer' THEN json_extract(s.attributes, '$."flujo.step.index"') END AS stated_index,
    s.attributes
FROM (
    SELECT span_id FROM staged WHERE role <> 0 AND role & 1
    UNION ALL
    SELECT span_id FROM moved WHERE span_id NOT IN (SELECT span_id FROM staged)
) w
CROSS JOIN spans s ON s.span_id = w.span_id
WHERE s.role & 1;
