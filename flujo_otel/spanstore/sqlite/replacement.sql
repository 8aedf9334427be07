-- A pour of spans whose ids nobody uses twice: one that is stored with another start is the same
-- span, and one that ended and is handed in again as running is open again. What is stored of it is
-- first made a running span of the new start, which any record replaces.
--
-- One statement like a pour: what is refused leaves nothing moved.

CREATE TEMP VIEW replacement AS SELECT * FROM pour;

CREATE TEMP VIEW restarted AS
SELECT o.span_id, o.run_id, o.role, o.status, o.start_time_ns AS old_start_ns, s.start_time_ns
FROM staged s CROSS JOIN spans o ON o.span_id = s.otel_span_id
WHERE o.trace_id = s.trace_id AND o.kind = s.kind
    AND (o.start_time_ns <> s.start_time_ns OR (s.status = 'running' AND o.status <> 'running'));

CREATE TEMP TRIGGER replacing INSTEAD OF INSERT ON replacement
BEGIN
    UPDATE runs
    SET root_start_ns = r.start_time_ns, start_time_ns = r.start_time_ns
    FROM restarted r
    WHERE runs.run_id = r.run_id AND runs.root_start_ns = r.old_start_ns AND r.role & 2;
    UPDATE runs
    SET running_count = running_count + r.ended, error_count = error_count - r.failed
    FROM (
        SELECT run_id, SUM(status <> 'running') AS ended, SUM(status = 'failed') AS failed
        FROM restarted
        GROUP BY run_id
    ) r
    WHERE runs.run_id = r.run_id;
    -- No record has these flags, so that none is taken for a duplicate.
    UPDATE spans
    SET start_time_ns = r.start_time_ns, start_time = r.start_time_ns / 1e9, status = 'running',
        end_time_ns = NULL, end_time = NULL, flags = -1
    FROM restarted r
    WHERE spans.span_id = r.span_id;

    INSERT INTO pour VALUES (
        NEW.row_count, NEW.writer_id, NEW.service, NEW.received, NEW.now_ns, NEW.created_at
    );
END;
