-- X-Ray's two tables (its documentation, 7.1) over ours, for one connection: TEMP views.
--
-- Only runs are deleted: their steps and spans go along by the foreign keys, which hold on this
-- connection. Inside a trigger no table can be named by its schema, and `steps` is the view here.

CREATE TEMP VIEW traces AS
SELECT
    r.run_id AS trace_id,
    r.pipeline_name AS name,
    substr(r.start_time, 1, 26) AS start_time,
    substr(r.end_time, 1, 26) AS end_time,
    COALESCE(
        json_extract(s.attributes, '$."xray.duration_ms"'),
        (r.end_time_ns - r.start_time_ns) / 1000000
    ) AS duration_ms,
    CASE r.status WHEN 'paused' THEN 'running' ELSE r.status END AS status,
    COALESCE(json_extract(s.attributes, '$."xray.metadata"'), '{}') AS metadata
FROM main.runs r
LEFT JOIN main.spans s ON s.rowid = (
    SELECT rowid FROM main.spans
    WHERE run_id = r.run_id AND role & 2
    ORDER BY start_time_ns DESC LIMIT 1
);

CREATE TEMP VIEW steps AS
SELECT
    step_id, trace_id, name, input, output, reasoning,
    json_remove(
        json_set(
            metadata,
            iif(evaluations IS NULL, '$."xray.none"', '$.evaluations'), json(evaluations),
            iif(ranked IS NULL, '$."xray.none"', '$.ranked_candidates'), json(ranked),
            iif(llm IS NULL, '$."xray.none"', '$.llm'), json(llm)
        ),
        '$."xray.none"'
    ) AS metadata,
    start_time, end_time, duration_ms, status, error, step_order
FROM (
    SELECT
        COALESCE(
            json_extract(s.attributes, '$."xray.step.id"'),
            json_extract(s.attributes, '$."flujo.step.id"'),
            t.step_run_id
        ) AS step_id,
        t.run_id AS trace_id,
        t.step_name AS name,
        COALESCE(t.input_blob, '{}') AS input,
        t.output_blob AS output,
        json_extract(s.attributes, '$."xray.reasoning"') AS reasoning,
        CASE
            WHEN json_valid(json_extract(s.attributes, '$."xray.metadata"'))
            THEN json_extract(s.attributes, '$."xray.metadata"') ELSE '{}' END AS metadata,
        CASE
            WHEN json_valid(json_extract(s.attributes, '$."xray.evaluations"'))
            THEN json_extract(s.attributes, '$."xray.evaluations"') END AS evaluations,
        CASE
            WHEN json_valid(json_extract(s.attributes, '$."xray.ranked_candidates"'))
            THEN json_extract(s.attributes, '$."xray.ranked_candidates"') END AS ranked,
        CASE
            WHEN json_valid(json_extract(s.attributes, '$."xray.llm"'))
            THEN json_extract(s.attributes, '$."xray.llm"') END AS llm,
        substr(t.start_time, 1, 26) AS start_time,
        substr(t.end_time, 1, 26) AS end_time,
        COALESCE(json_extract(s.attributes, '$."xray.duration_ms"'), t.duration_ms) AS duration_ms,
        CASE t.status WHEN 'paused' THEN 'running' ELSE t.status END AS status,
        t.error_blob AS error,
        t.step_index AS step_order
    FROM main.steps t
    LEFT JOIN main.spans s ON s.span_id = t.span_id
);

CREATE TEMP TRIGGER delete_trace INSTEAD OF DELETE ON traces
BEGIN
    -- Another run's span below this one stays; and SQLite cascades only so deep.
    UPDATE spans SET parent_span_id = NULL
    WHERE run_id = OLD.trace_id
        OR parent_span_id IN (SELECT span_id FROM spans WHERE run_id = OLD.trace_id);
    DELETE FROM run_traces WHERE run_id = OLD.trace_id;
    DELETE FROM runs WHERE run_id = OLD.trace_id;
END;

CREATE TEMP TRIGGER insert_trace INSTEAD OF INSERT ON traces
BEGIN
    SELECT RAISE(ABORT, 'traces is a view: add a trace with save_trace()');
END;

CREATE TEMP TRIGGER update_trace INSTEAD OF UPDATE ON traces
BEGIN
    SELECT RAISE(ABORT, 'traces is a view: change a trace with save_trace()');
END;

CREATE TEMP TRIGGER insert_step INSTEAD OF INSERT ON steps
BEGIN
    SELECT RAISE(ABORT, 'steps is a view: add a step with save_step()');
END;

CREATE TEMP TRIGGER update_step INSTEAD OF UPDATE ON steps
BEGIN
    SELECT RAISE(ABORT, 'steps is a view: change a step with save_step()');
END;

CREATE TEMP TRIGGER delete_step INSTEAD OF DELETE ON steps
BEGIN
    SELECT RAISE(ABORT, 'steps is a view: a step goes with its trace, DELETE FROM traces');
END;
