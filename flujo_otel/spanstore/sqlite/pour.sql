-- How a batch gets in: staged in a TEMP table (staged.sql), then poured by one statement.
--
-- sqlite3 lets go of the GIL at every statement and may wait 5 ms to get it back; with it held by
-- busy threads, BEGIN + 4 statements + COMMIT kept the database locked for up to 656 ms. Here all
-- binding is done against a TEMP table, where nobody waits, and what needs the write lock is ONE
-- autocommit statement: an INSERT into a view, whose trigger does everything, atomically, without
-- once asking for the GIL.
--
-- The writer makes sure that within one pour no OTel span id occurs twice.
--
-- 0x7FFFFFFFFFFFFFFF as a run's root_start_ns: its row was handed in (runlog.STATED), so no span
-- changes its name, status, times and totals but a root that was traced.
--
-- CROSS JOIN, where it stands, keeps SQLite from starting at the large table: TEMP tables have no
-- statistics. A bare column beside one MIN() or MAX() is that row's (SQLite documents this).

CREATE TEMP TRIGGER pouring INSTEAD OF INSERT ON pour
BEGIN
    DELETE FROM staged WHERE n > NEW.row_count;

    -- 0. A tree that was handed in (runlog.replace_tree) stands in for spans: its run's root comes.
    INSERT INTO replaced
    SELECT t.run_id FROM staged s CROSS JOIN trees t ON t.run_id = s.named_run_id
    WHERE s.role <> 0 AND s.role & 2 AND s.scope_id <> 6374321799567410773
    ON CONFLICT DO NOTHING;
    UPDATE runs
    SET (span_count, error_count, running_count) = (
        SELECT runs.span_count - COUNT(*), runs.error_count - TOTAL(s.status = 'failed'),
            runs.running_count - TOTAL(s.status = 'running')
        FROM spans s WHERE s.run_id = runs.run_id AND s.scope_id = 6374321799567410773
    ),
        root_start_ns = NULLIF(root_start_ns, (
            SELECT MAX(s.start_time_ns) FROM spans s
            WHERE s.run_id = runs.run_id AND s.scope_id = 6374321799567410773 AND s.role & 2
        ))
    WHERE run_id IN replaced;
    DELETE FROM spans WHERE run_id IN replaced AND scope_id = 6374321799567410773;
    DELETE FROM trees WHERE run_id IN replaced;
    DELETE FROM replaced;

    -- 1. Who is there already? The id is free for us where the row that holds it is this very span.
    INSERT INTO taken SELECT n FROM staged WHERE otel_span_id IN (SELECT span_id FROM spans);
    UPDATE staged
    SET (old_status, old_run_id) = (
        SELECT o.status, o.run_id FROM spans o
        WHERE o.span_id = staged.otel_span_id
            AND o.trace_id = staged.trace_id
            AND o.start_time_ns = staged.start_time_ns
            AND o.kind = staged.kind
    )
    WHERE n IN taken;
    UPDATE staged
    SET span_id = trace_id || ':' || otel_span_id
    WHERE n IN taken AND old_status IS NULL;
    UPDATE staged
    SET (old_status, old_run_id) = (
        SELECT o.status, o.run_id FROM spans o
        WHERE o.span_id = staged.span_id
            AND o.start_time_ns = staged.start_time_ns
            AND o.kind = staged.kind
    )
    WHERE n IN taken AND old_status IS NULL;
    -- The same ids once more, with another start: another span all the same.
    UPDATE staged
    SET span_id = staged.span_id || '@' || staged.start_time_ns || '/' || staged.kind, is_reused = 1
    WHERE n IN taken
        AND old_status IS NULL
        AND (
            EXISTS (SELECT 1 FROM spans o WHERE o.span_id = staged.span_id)
            OR EXISTS (
                SELECT 1 FROM spans o
                WHERE o.span_id = staged.otel_span_id AND o.trace_id = staged.trace_id
            )
        );
    UPDATE staged
    SET (old_status, old_run_id) = (
        SELECT o.status, o.run_id FROM spans o WHERE o.span_id = staged.span_id
    )
    WHERE n IN taken AND is_reused;
    INSERT OR IGNORE INTO shared_span_ids
    SELECT otel_span_id FROM staged
    WHERE n IN taken AND span_id <> otel_span_id AND old_status IS NULL;
    INSERT INTO ledger (service, reason, detail, count, first_time_ns, last_time_ns)
    SELECT
        COALESCE(x.service_name, NEW.service), 'id_reused', '', COUNT(*), NEW.now_ns, NEW.now_ns
    FROM staged s LEFT JOIN resources x ON x.resource_id = s.resource_id
    WHERE s.n IN taken AND s.is_reused AND s.old_status IS NULL
    GROUP BY 1
    ON CONFLICT DO UPDATE SET
        count = count + excluded.count, last_time_ns = excluded.last_time_ns;

    -- 2. What is nothing new: a running record of a span that has ended, and a duplicate.
    DELETE FROM staged
    WHERE n IN taken AND status = 'running' AND old_status <> 'running';
    UPDATE staged
    SET content_seq = (
        SELECT COALESCE(o.content_seq, o.change_seq) FROM spans o
        WHERE o.span_id = staged.span_id
            AND o.otlp IS staged.otlp
            AND o.status = staged.status
            AND o.end_time_ns IS staged.end_time_ns
            AND o.resource_id = staged.resource_id
            AND o.scope_id = staged.scope_id
            AND o.name = staged.name
            AND o.attributes = staged.attributes
            AND o.events IS staged.events
            AND o.otel_parent_id IS staged.otel_parent_id
            AND o.status_message IS staged.status_message
            AND o.status_code = staged.status_code
            AND o.flags = staged.flags
    )
    WHERE n IN taken AND old_status IS NOT NULL;
    INSERT INTO services
    SELECT COALESCE(x.service_name, NEW.service), SUM(c.received), SUM(c.unchanged)
    FROM (
        SELECT CAST(key AS INTEGER) AS resource_id, value AS received, 0 AS unchanged
        FROM json_each(NEW.received)
        UNION ALL
        SELECT resource_id, 0, 1 FROM staged WHERE n IN taken AND content_seq IS NOT NULL
    ) c
    LEFT JOIN resources x ON x.resource_id = c.resource_id
    WHERE true
    GROUP BY 1
    ON CONFLICT DO UPDATE SET
        received = received + excluded.received, unchanged = unchanged + excluded.unchanged;
    DELETE FROM staged
    WHERE n IN taken
        AND content_seq IS NOT NULL
        AND old_run_id = COALESCE(named_run_id, old_run_id);

    -- A span stays where it was filed unless it now names its run itself.
    UPDATE staged
    SET run_id = old_run_id
    WHERE n IN taken AND named_run_id IS NULL AND old_run_id IS NOT NULL;

    INSERT INTO usage_before VALUES (1); -- usage.sql

    -- 3. The rows. A parent's id may be one that several spans use.
    INSERT INTO spans (
        span_id, run_id, parent_span_id, name, start_time, end_time, status, attributes, trace_id,
        otel_span_id, otel_parent_id, start_time_ns, end_time_ns, kind, status_message, events,
        links, resource_id, scope_id, named_run_id, role, cost_usd, tokens, flags, status_code, otlp,
        content_seq, change_seq, created_at
    )
    SELECT
        span_id, run_id,
        CASE
            WHEN otel_parent_id IN (SELECT otel_span_id FROM shared_span_ids) AND EXISTS (
                SELECT 1 FROM spans p
                WHERE p.span_id = staged.otel_parent_id AND p.trace_id <> staged.trace_id
            ) THEN trace_id || ':' || otel_parent_id
            ELSE otel_parent_id
        END,
        name, start_time_ns / 1e9, end_time_ns / 1e9, status, attributes, trace_id,
        otel_span_id, otel_parent_id, start_time_ns, end_time_ns, kind, status_message, events,
        links, resource_id, scope_id, named_run_id, role, cost_usd, tokens, flags, status_code, otlp,
        content_seq, (SELECT value FROM sequence) + n, NEW.created_at
    FROM staged
    WHERE true
    ORDER BY n
    ON CONFLICT (span_id) DO UPDATE SET
        run_id = excluded.run_id,
        name = excluded.name,
        end_time = excluded.end_time,
        status = excluded.status,
        attributes = excluded.attributes,
        otel_parent_id = excluded.otel_parent_id,
        parent_span_id = excluded.parent_span_id,
        end_time_ns = excluded.end_time_ns,
        status_message = excluded.status_message,
        events = excluded.events,
        links = excluded.links,
        resource_id = excluded.resource_id,
        scope_id = excluded.scope_id,
        named_run_id = COALESCE(excluded.named_run_id, named_run_id),
        role = excluded.role,
        cost_usd = excluded.cost_usd,
        tokens = excluded.tokens,
        flags = excluded.flags,
        status_code = excluded.status_code,
        otlp = excluded.otlp,
        content_seq = excluded.content_seq,
        change_seq = excluded.change_seq;

    -- Children that came before a parent whose id turned out to be taken.
    UPDATE spans
    SET parent_span_id = c.span_id
    FROM staged c
    WHERE c.n IN taken
        AND c.span_id = c.trace_id || ':' || c.otel_span_id
        AND c.old_status IS NULL
        AND spans.parent_span_id = c.otel_span_id
        AND spans.trace_id = c.trace_id;

    -- 4. Runs. What a row was is taken off the counts, what it is now is added.
    INSERT OR IGNORE INTO run_traces
    SELECT DISTINCT trace_id, run_id FROM staged WHERE run_id <> trace_id;
    INSERT INTO touched (
        run_id, span_delta, error_delta, running_delta, first_ns, last_ns, opens, opens_root
    )
    SELECT
        run_id, COUNT(*), SUM(status = 'failed'), SUM(status = 'running'),
        MIN(start_time_ns),
        MAX(MAX(start_time_ns, COALESCE(end_time_ns, 0))),
        MAX(status = 'running'),
        MAX(status = 'running' AND role & 2 > 0)
    FROM staged
    GROUP BY run_id;
    INSERT INTO touched (
        run_id, span_delta, error_delta, running_delta, first_ns, last_ns, opens, opens_root
    )
    SELECT
        old_run_id, -COUNT(*), -SUM(old_status = 'failed'), -SUM(old_status = 'running'), NULL, NULL,
        0, 0
    FROM staged
    WHERE n IN taken AND old_status IS NOT NULL
    GROUP BY old_run_id
    ON CONFLICT DO UPDATE SET
        span_delta = span_delta + excluded.span_delta,
        error_delta = error_delta + excluded.error_delta,
        running_delta = running_delta + excluded.running_delta;

    -- A late ancestor that names its run takes along what was filed under the trace id.
    INSERT OR IGNORE INTO moved
    SELECT
        span_id, run_id, new_run_id, status, start_time_ns,
        MAX(start_time_ns, COALESCE(end_time_ns, 0))
    FROM below;
    UPDATE spans
    SET content_seq = COALESCE(content_seq, change_seq),
        (run_id, change_seq) = (
            SELECT m.run_id,
                (SELECT value FROM sequence) + (SELECT MAX(n) FROM staged) + m.rowid
            FROM moved m
            WHERE m.span_id = spans.span_id
        )
    WHERE span_id IN (SELECT span_id FROM moved);
    INSERT OR IGNORE INTO run_traces
    SELECT DISTINCT s.trace_id, s.run_id
    FROM moved m CROSS JOIN spans s ON s.span_id = m.span_id
    WHERE s.run_id <> s.trace_id;
    INSERT INTO touched (
        run_id, span_delta, error_delta, running_delta, first_ns, last_ns, opens, opens_root
    )
    SELECT
        run_id, COUNT(*), SUM(status = 'failed'), SUM(status = 'running'),
        MIN(start_time_ns), MAX(last_ns), MAX(status = 'running'), 0
    FROM moved
    GROUP BY run_id
    ON CONFLICT DO UPDATE SET
        span_delta = span_delta + excluded.span_delta,
        error_delta = error_delta + excluded.error_delta,
        running_delta = running_delta + excluded.running_delta,
        first_ns = MIN(COALESCE(first_ns, excluded.first_ns), excluded.first_ns),
        last_ns = MAX(COALESCE(last_ns, 0), excluded.last_ns);
    INSERT INTO touched (
        run_id, span_delta, error_delta, running_delta, first_ns, last_ns, opens, opens_root
    )
    SELECT
        old_run_id, -COUNT(*), -SUM(status = 'failed'), -SUM(status = 'running'), NULL, NULL, 0, 0
    FROM moved
    GROUP BY old_run_id
    ON CONFLICT DO UPDATE SET
        span_delta = span_delta + excluded.span_delta,
        error_delta = error_delta + excluded.error_delta,
        running_delta = running_delta + excluded.running_delta;
    UPDATE staged SET run_id = m.run_id FROM moved m WHERE m.span_id = staged.span_id;

    UPDATE touched
    SET (
        is_known, trace_id, pipeline_name, pipeline_version, status, start_time, end_time,
        start_time_ns, end_time_ns, last_time_ns, root_start_ns, span_count, error_count,
        running_count, writer_id
    ) = (
        SELECT
            1, trace_id, pipeline_name, pipeline_version, status, start_time, end_time,
            start_time_ns, end_time_ns, last_time_ns, root_start_ns, span_count, error_count,
            running_count, writer_id
        FROM runs
        WHERE runs.run_id = touched.run_id
    );
    DELETE FROM touched WHERE is_known IS NULL AND span_delta <= 0;
    UPDATE touched
    SET span_count = COALESCE(span_count, 0) + span_delta,
        error_count = COALESCE(error_count, 0) + error_delta,
        running_count = COALESCE(running_count, 0) + running_delta,
        start_time_ns = CASE
            WHEN root_start_ns IS NOT NULL THEN start_time_ns
            WHEN span_count > 0 THEN MIN(start_time_ns, COALESCE(first_ns, start_time_ns))
            ELSE COALESCE(first_ns, start_time_ns) END,
        last_time_ns = MAX(COALESCE(last_time_ns, 0), COALESCE(last_ns, 0)),
        -- The process that has the root open, until then any open span: when that is gone, the run
        -- has died. A process that only adds to another's run does not become its writer.
        writer_id = CASE WHEN opens_root OR (opens AND root_start_ns IS NULL)
            THEN NEW.writer_id ELSE COALESCE(writer_id, NEW.writer_id) END;

    -- Its root gives a run its name, status and times; of several (a run that was resumed) the
    -- first gives the start, the latest the rest.
    UPDATE touched
    SET trace_id = r.trace_id,
        -- flujo calls a run that it goes on with, or that nobody named, `unknown`: that replaces no
        -- name, and is none where the program has one.
        pipeline_name = CASE
            WHEN r.pipeline_name IN ('unknown', '') THEN COALESCE(
                (
                    SELECT json_extract(o.attributes, '$."flujo.pipeline.name"') FROM staged o
                    WHERE o.role <> 0 AND o.role & 2 AND o.run_id = r.run_id
                        AND json_extract(o.attributes, '$."flujo.pipeline.name"')
                            NOT IN ('unknown', '')
                    ORDER BY o.start_time_ns DESC LIMIT 1
                ),
                CASE WHEN touched.root_start_ns IS NOT NULL
                    THEN NULLIF(touched.pipeline_name, '') END,
                x.service_name, NULLIF(NEW.service, ''), NULLIF(r.pipeline_name, ''), r.name)
            ELSE COALESCE(r.pipeline_name, x.service_name, r.name) END,
        pipeline_version = COALESCE(
            json_extract(r.attributes, '$."flujo.pipeline.version"'), x.service_version, 'latest'),
        status = r.status,
        start_time_ns = CASE
            WHEN touched.root_start_ns IS NULL THEN r.start_time_ns ELSE touched.start_time_ns END,
        end_time_ns = r.end_time_ns,
        -- whoever goes on with a run, or runs it again, has it from then on
        writer_id = CASE WHEN r.start_time_ns > touched.root_start_ns
            THEN NEW.writer_id ELSE touched.writer_id END,
        root_start_ns = r.start_time_ns,
        final_context_blob = json_extract(r.attributes, '$."flujo.final_context"')
    FROM (
        SELECT run_id, trace_id, name, status, attributes, resource_id, end_time_ns,
            json_extract(attributes, '$."flujo.pipeline.name"') AS pipeline_name,
            MAX(start_time_ns) AS start_time_ns
        FROM staged
        WHERE role <> 0 AND role & 2
        GROUP BY run_id
    ) r
    LEFT JOIN resources x ON x.resource_id = r.resource_id
    WHERE touched.run_id = r.run_id
        AND r.start_time_ns >= COALESCE(
            NULLIF(touched.root_start_ns, 0x7FFFFFFFFFFFFFFF), r.start_time_ns);
    UPDATE touched
    SET start_time_ns = MIN(touched.start_time_ns, r.first_root_ns)
    FROM (
        SELECT run_id, MIN(start_time_ns) AS first_root_ns FROM staged
        WHERE role <> 0 AND role & 2
        GROUP BY run_id
    ) r
    WHERE touched.run_id = r.run_id AND touched.root_start_ns <> 0x7FFFFFFFFFFFFFFF;
    -- Until it has come: the span of its spans, named after the first of them.
    UPDATE touched
    SET status = CASE
            WHEN running_count > 0 THEN 'running'
            WHEN error_count > 0 THEN 'failed'
            ELSE 'completed' END,
        end_time_ns = CASE WHEN running_count > 0 THEN NULL ELSE last_time_ns END
    WHERE root_start_ns IS NULL;
    UPDATE touched
    SET trace_id = s.trace_id,
        pipeline_name = COALESCE(x.service_name, s.name),
        pipeline_version = COALESCE(x.service_version, 'latest')
    FROM (
        SELECT run_id, trace_id, name, resource_id, MIN(start_time_ns) AS start_time_ns
        FROM staged
        WHERE EXISTS (SELECT 1 FROM touched WHERE root_start_ns IS NULL) -- else nothing is scanned
            AND run_id IN (SELECT run_id FROM touched WHERE root_start_ns IS NULL)
        GROUP BY run_id
    ) s
    LEFT JOIN resources x ON x.resource_id = s.resource_id
    WHERE touched.run_id = s.run_id
        AND (touched.pipeline_name IS NULL OR s.start_time_ns <= touched.start_time_ns);
    UPDATE touched
    SET start_time = strftime('%Y-%m-%dT%H:%M:%S', start_time_ns / 1000000000, 'unixepoch')
            || printf('.%06d+00:00', start_time_ns / 1000 % 1000000),
        end_time = strftime('%Y-%m-%dT%H:%M:%S', end_time_ns / 1000000000, 'unixepoch')
            || printf('.%06d+00:00', end_time_ns / 1000 % 1000000)
    WHERE root_start_ns IS NOT 0x7FFFFFFFFFFFFFFF;
    INSERT INTO runs (
        run_id, trace_id, pipeline_name, pipeline_version, status, start_time, end_time,
        start_time_ns, end_time_ns, last_time_ns, root_start_ns, span_count, error_count,
        running_count, writer_id, final_context_blob, change_seq
    )
    SELECT
        run_id, trace_id, pipeline_name, pipeline_version, status, start_time, end_time,
        start_time_ns, end_time_ns, last_time_ns, root_start_ns, span_count, error_count,
        running_count, writer_id, final_context_blob,
        (SELECT value FROM sequence) + (SELECT MAX(n) FROM staged)
    FROM touched
    WHERE true
    ON CONFLICT (run_id) DO UPDATE SET
        trace_id = excluded.trace_id,
        pipeline_name = excluded.pipeline_name,
        pipeline_version = excluded.pipeline_version,
        status = excluded.status,
        start_time = excluded.start_time,
        end_time = excluded.end_time,
        start_time_ns = excluded.start_time_ns,
        end_time_ns = excluded.end_time_ns,
        last_time_ns = excluded.last_time_ns,
        root_start_ns = excluded.root_start_ns,
        span_count = excluded.span_count,
        error_count = excluded.error_count,
        running_count = excluded.running_count,
        writer_id = excluded.writer_id,
        final_context_blob = COALESCE(excluded.final_context_blob, final_context_blob),
        change_seq = excluded.change_seq;
    INSERT INTO usage_after
    SELECT (SELECT value FROM sequence) + COALESCE((SELECT MAX(n) FROM staged), 0)
    WHERE EXISTS (SELECT 1 FROM metered) OR EXISTS (SELECT 1 FROM linked)
        OR EXISTS (SELECT 1 FROM moved)
        OR EXISTS (SELECT 1 FROM staged WHERE role <> 0 AND role & 2);
    -- The run that a trace was taken for until its real one was named.
    DELETE FROM runs
    WHERE span_count <= 0 AND run_id IN (SELECT run_id FROM touched WHERE span_delta < 0);

    -- 5. Steps.
    DELETE FROM steps
    WHERE rowid IN (
        SELECT t.rowid
        FROM staged s CROSS JOIN steps t ON t.run_id = s.old_run_id AND t.span_id = s.span_id
        WHERE s.n IN taken AND s.old_run_id <> s.run_id AND s.role & 1
        UNION ALL
        SELECT t.rowid
        FROM moved m CROSS JOIN steps t ON t.run_id = m.old_run_id AND t.span_id = m.span_id
    );
    INSERT INTO steps (
        step_run_id, run_id, step_name, step_index, status, start_time, end_time, duration_ms, cost,
        tokens, unpriced_count, input_blob, output_blob, error_blob, span_id, start_time_ns,
        end_time_ns
    )
    SELECT
        run_id || ':' || COALESCE(stated_index, span_id),
        run_id,
        name,
        COALESCE(
            stated_index,
            (SELECT COUNT(*) FROM steps o WHERE o.run_id = step_spans.run_id)
                -- one that has its row keeps its number
                + ROW_NUMBER() OVER (
                    PARTITION BY run_id, span_id IN (SELECT o.span_id FROM steps o)
                    ORDER BY start_time_ns
                ) - 1
        ),
        status,
        strftime('%Y-%m-%dT%H:%M:%S', start_time_ns / 1000000000, 'unixepoch')
            || printf('.%06d+00:00', start_time_ns / 1000 % 1000000),
        strftime('%Y-%m-%dT%H:%M:%S', end_time_ns / 1000000000, 'unixepoch')
            || printf('.%06d+00:00', end_time_ns / 1000 % 1000000),
        CAST(ROUND((end_time_ns - start_time_ns) / 1e6) AS INTEGER),
        cost_usd,
        tokens,
        unpriced_count,
        json_extract(attributes, '$."input.value"'),
        json_extract(attributes, '$."output.value"'),
        COALESCE(json_extract(attributes, '$."flujo.error"'), status_message),
        span_id, start_time_ns, end_time_ns
    FROM step_spans
    WHERE true
    ORDER BY start_time_ns
    ON CONFLICT (step_run_id) DO UPDATE SET
        run_id = excluded.run_id,
        step_name = excluded.step_name,
        status = excluded.status,
        end_time = excluded.end_time,
        duration_ms = excluded.duration_ms,
        -- a row that was handed in knows what a span without content does not say
        cost = COALESCE(excluded.cost, CASE WHEN steps.span_id IS NULL THEN cost END),
        unpriced_count = excluded.unpriced_count,
        tokens = COALESCE(excluded.tokens,
            CASE WHEN steps.span_id IS NULL AND excluded.end_time_ns IS NULL THEN tokens END),
        input_blob = COALESCE(
            excluded.input_blob, CASE WHEN steps.span_id IS NULL THEN input_blob END),
        output_blob = COALESCE(
            excluded.output_blob, CASE WHEN steps.span_id IS NULL THEN output_blob END),
        error_blob = COALESCE(
            excluded.error_blob, CASE WHEN steps.span_id IS NULL THEN error_blob END),
        span_id = excluded.span_id,
        start_time = excluded.start_time,
        start_time_ns = excluded.start_time_ns,
        end_time_ns = excluded.end_time_ns
    WHERE excluded.start_time_ns >= steps.start_time_ns OR steps.span_id IS NULL;

    UPDATE writers SET seen_at_ns = NEW.now_ns WHERE writer_id = NEW.writer_id;
    UPDATE sequence
    SET value = value
        + COALESCE((SELECT MAX(n) FROM staged), 0) + COALESCE((SELECT MAX(rowid) FROM moved), 0);
    DELETE FROM taken;
    DELETE FROM touched;
    DELETE FROM moved;
    DELETE FROM staged;
END;
