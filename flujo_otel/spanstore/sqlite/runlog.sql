-- Runs and steps that are handed in as rows (runlog.py). Each is one autocommit INSERT into a view,
-- whose trigger does all there is to do: five statements of Python's take five times as long, and
-- each of them may wait for the GIL.
--
-- 0x7FFFFFFFFFFFFFFF as root_start_ns: see pour.sql. A run whose root was traced keeps what that
-- says; what is handed in fills the gaps.

CREATE TEMP VIEW started_run AS
SELECT '' AS run_id, '' AS pipeline_name, '' AS pipeline_version, '' AS status, '' AS start_time,
    0 AS start_time_ns, 0 AS writer_id;

CREATE TEMP TRIGGER starting_run INSTEAD OF INSERT ON started_run
BEGIN
    UPDATE sequence SET value = value + 1;
    INSERT INTO runs (
        run_id, pipeline_name, pipeline_version, status, start_time, start_time_ns, last_time_ns,
        root_start_ns, writer_id, change_seq
    )
    VALUES (
        NEW.run_id, NEW.pipeline_name, NEW.pipeline_version, NEW.status, NEW.start_time,
        NEW.start_time_ns, NEW.start_time_ns, 0x7FFFFFFFFFFFFFFF, NEW.writer_id,
        (SELECT value FROM sequence)
    )
    ON CONFLICT (run_id) DO UPDATE SET
        pipeline_name = CASE WHEN excluded.pipeline_name IN ('unknown', '')
            THEN pipeline_name ELSE excluded.pipeline_name END,
        pipeline_version = excluded.pipeline_version,
        status = excluded.status,
        start_time = excluded.start_time,
        start_time_ns = excluded.start_time_ns,
        end_time = NULL,
        end_time_ns = NULL,
        total_cost = NULL,
        final_context_blob = NULL,
        execution_time_ms = NULL,
        memory_usage_mb = NULL,
        total_steps = NULL,
        error_message = NULL,
        root_start_ns = excluded.root_start_ns,
        writer_id = excluded.writer_id,
        change_seq = excluded.change_seq;
END;

-- A run that goes on here after another backend began it has a state and no row.
CREATE TEMP VIEW continued_run AS
SELECT
    run_id, pipeline_name, pipeline_version, 'running' AS status,
    strftime('%Y-%m-%dT%H:%M:%S', created_at_ns / 1000000000, 'unixepoch')
        || printf('.%06d', created_at_ns / 1000 % 1000000) AS start_time,
    created_at_ns AS start_time_ns, created_at_ns AS last_time_ns,
    0x7FFFFFFFFFFFFFFF AS root_start_ns
FROM workflow_state;

CREATE TEMP VIEW stated_step AS
SELECT '' AS step_run_id, '' AS run_id, '' AS step_name, 0 AS step_index, '' AS status,
    '' AS start_time, '' AS end_time, 0 AS duration_ms, 0.0 AS cost, 0 AS tokens, '' AS input,
    '' AS output, '' AS error, '' AS raw_response, 0 AS start_time_ns, 0 AS end_time_ns;

CREATE TEMP TRIGGER stating_step INSTEAD OF INSERT ON stated_step
BEGIN
    UPDATE sequence SET value = value + 1;
    INSERT INTO runs (
        run_id, pipeline_name, pipeline_version, status, start_time, start_time_ns, last_time_ns,
        root_start_ns
    )
    SELECT * FROM continued_run WHERE run_id = NEW.run_id
    ON CONFLICT DO NOTHING;
    -- A step that was traced has better times, and its input; its span's end may still be to come.
    INSERT INTO steps (
        step_run_id, run_id, step_name, step_index, status, start_time, end_time, duration_ms, cost,
        tokens, input_blob, output_blob, error_blob, raw_response_blob, start_time_ns, end_time_ns
    )
    VALUES (
        NEW.step_run_id, NEW.run_id, NEW.step_name, NEW.step_index, NEW.status, NEW.start_time,
        NEW.end_time, NEW.duration_ms, NEW.cost, NEW.tokens, NEW.input, NEW.output, NEW.error,
        NEW.raw_response, NEW.start_time_ns, NEW.end_time_ns
    )
    ON CONFLICT (step_run_id) DO UPDATE SET
        run_id = excluded.run_id,
        step_name = excluded.step_name,
        step_index = excluded.step_index,
        status = CASE WHEN span_id IS NULL OR status = 'running'
            THEN excluded.status ELSE status END,
        start_time = CASE WHEN span_id IS NULL THEN excluded.start_time ELSE start_time END,
        end_time = CASE WHEN span_id IS NULL
            THEN excluded.end_time ELSE COALESCE(end_time, excluded.end_time) END,
        duration_ms = CASE WHEN span_id IS NULL
            THEN excluded.duration_ms ELSE COALESCE(duration_ms, excluded.duration_ms) END,
        cost = CASE WHEN span_id IS NULL THEN excluded.cost ELSE COALESCE(cost, excluded.cost) END,
        -- flujo also counts tokens that no model used: a span that has ended knows better
        tokens = CASE WHEN span_id IS NULL THEN excluded.tokens
            WHEN end_time_ns IS NULL THEN COALESCE(tokens, excluded.tokens) ELSE tokens END,
        input_blob = CASE WHEN span_id IS NULL
            THEN excluded.input_blob ELSE COALESCE(input_blob, excluded.input_blob) END,
        output_blob = CASE WHEN span_id IS NULL
            THEN excluded.output_blob ELSE COALESCE(output_blob, excluded.output_blob) END,
        error_blob = CASE WHEN span_id IS NULL
            THEN excluded.error_blob ELSE COALESCE(error_blob, excluded.error_blob) END,
        raw_response_blob = excluded.raw_response_blob,
        start_time_ns = CASE WHEN span_id IS NULL
            THEN excluded.start_time_ns ELSE start_time_ns END,
        end_time_ns = CASE WHEN span_id IS NULL
            THEN excluded.end_time_ns ELSE COALESCE(end_time_ns, excluded.end_time_ns) END;
    UPDATE runs SET change_seq = (SELECT value FROM sequence) WHERE run_id = NEW.run_id;
END;

-- Spans of a tree that was handed in.
CREATE TEMP VIEW open_in_tree AS
SELECT t.run_id, s.span_id
FROM trees t CROSS JOIN spans s ON s.run_id = t.run_id
WHERE s.scope_id = 6374321799567410773 AND s.status = 'running';

CREATE TEMP VIEW ended_run AS
SELECT '' AS run_id, '' AS status, '' AS end_time, 0 AS end_time_ns, 0.0 AS total_cost,
    '' AS final_context, 0 AS execution_time_ms, 0.0 AS memory_usage_mb, 0 AS total_steps,
    '' AS error_message;

CREATE TEMP TRIGGER ending_run INSTEAD OF INSERT ON ended_run
BEGIN
    UPDATE sequence SET value = value + 1;
    INSERT INTO runs (
        run_id, pipeline_name, pipeline_version, status, start_time, start_time_ns, last_time_ns,
        root_start_ns
    )
    SELECT * FROM continued_run WHERE run_id = NEW.run_id
    ON CONFLICT DO NOTHING;
    -- `said`: its root has ended, and says what became of it. Else the run's state knows better than
    -- flujo's record of its end, which calls a paused run completed.
    UPDATE runs
    SET status = CASE WHEN r.said THEN status ELSE r.noted END,
        end_time = CASE WHEN r.said THEN end_time ELSE NEW.end_time END,
        end_time_ns = CASE WHEN r.said THEN end_time_ns ELSE NEW.end_time_ns END,
        -- A pause is noted a little after its root has ended: nothing has gone on there since.
        last_time_ns = CASE WHEN r.noted = 'paused' THEN last_time_ns
            ELSE MAX(last_time_ns, NEW.end_time_ns) END,
        total_cost = CASE WHEN r.is_traced
            THEN COALESCE(total_cost, NEW.total_cost) ELSE NEW.total_cost END,
        final_context_blob = NEW.final_context,
        execution_time_ms = NEW.execution_time_ms,
        memory_usage_mb = NEW.memory_usage_mb,
        total_steps = NEW.total_steps,
        error_message = NEW.error_message,
        root_start_ns = CASE WHEN r.is_traced THEN root_start_ns ELSE 0x7FFFFFFFFFFFFFFF END,
        change_seq = (SELECT value FROM sequence)
    FROM (
        SELECT is_traced, is_traced AND status NOT IN ('running', 'paused') AS said,
            COALESCE(
                (
                    SELECT CASE w.status
                        WHEN 'paused' THEN 'paused' WHEN 'failed' THEN 'failed'
                        WHEN 'cancelled' THEN 'failed' END
                    FROM workflow_state w WHERE w.run_id = NEW.run_id
                ),
                NEW.status) AS noted
        FROM (
            SELECT status, root_start_ns IS NOT NULL AND root_start_ns <> 0x7FFFFFFFFFFFFFFF
                AND run_id NOT IN (SELECT run_id FROM trees) AS is_traced
            FROM runs WHERE run_id = NEW.run_id
        )
    ) r
    WHERE runs.run_id = NEW.run_id;
    -- flujo 0.4 saves a tree whose root, and where it failed its last step, is still open, and never
    -- again: what is open ends with the run (as replace_tree has it where the tree comes later).
    UPDATE runs
    SET running_count = running_count - o.count,
        error_count = error_count + o.count * (status NOT IN ('completed', 'paused'))
    FROM (SELECT COUNT(*) AS count FROM open_in_tree WHERE run_id = NEW.run_id) o
    WHERE runs.run_id = NEW.run_id AND status <> 'running';
    UPDATE spans
    SET status = CASE WHEN r.status IN ('completed', 'paused') THEN r.status ELSE 'failed' END,
        end_time_ns = MAX(spans.start_time_ns, r.end_time_ns),
        end_time = MAX(spans.start_time_ns, r.end_time_ns) / 1e9,
        change_seq = (SELECT value FROM sequence) + o.n
    FROM runs r CROSS JOIN (
        SELECT span_id, ROW_NUMBER() OVER (ORDER BY span_id) AS n
        FROM open_in_tree WHERE run_id = NEW.run_id
    ) o
    WHERE r.run_id = NEW.run_id AND r.status <> 'running' AND spans.span_id = o.span_id;
    UPDATE sequence SET value = value + changes();
END;

-- A workflow state with the first entry of its history (n 0), NULL: it has none. So each process
-- saves the first state that it has of a run: a run whose process is gone goes on in this one.
CREATE TEMP VIEW saved_state AS
SELECT
    0 AS run_id, 0 AS pipeline_id, 0 AS pipeline_name, 0 AS pipeline_version, 0 AS
    current_step_index, 0 AS pipeline_context, 0 AS last_step_output, 0 AS status, 0 AS
    created_at, 0 AS updated_at, 0 AS total_steps, 0 AS error_message, 0 AS execution_time_ms, 0
    AS memory_usage_mb, 0 AS metadata, 0 AS is_background_task, 0 AS parent_run_id, 0 AS
    task_id, 0 AS background_error, 0 AS created_at_ns, 0 AS updated_at_ns, 0 AS writer_id, 0 AS n,
    '' AS entry;

CREATE TEMP TRIGGER saving_state INSTEAD OF INSERT ON saved_state
BEGIN
    DELETE FROM workflow_history WHERE run_id = NEW.run_id;
    INSERT INTO workflow_history SELECT NEW.run_id, NEW.n, NEW.entry WHERE NEW.entry IS NOT NULL;
    INSERT INTO workflow_state (
        run_id, pipeline_id, pipeline_name, pipeline_version, current_step_index,
        pipeline_context, last_step_output, status, created_at, updated_at, total_steps,
        error_message, execution_time_ms, memory_usage_mb, metadata, is_background_task,
        parent_run_id, task_id, background_error, created_at_ns, updated_at_ns
    )
    VALUES (
        NEW.run_id, NEW.pipeline_id, NEW.pipeline_name, NEW.pipeline_version,
        NEW.current_step_index, NEW.pipeline_context, NEW.last_step_output, NEW.status,
        NEW.created_at, NEW.updated_at, NEW.total_steps, NEW.error_message,
        NEW.execution_time_ms, NEW.memory_usage_mb, NEW.metadata, NEW.is_background_task,
        NEW.parent_run_id, NEW.task_id, NEW.background_error, NEW.created_at_ns,
        NEW.updated_at_ns
    )
    ON CONFLICT (run_id) DO UPDATE SET
        pipeline_id = excluded.pipeline_id,
        pipeline_name = CASE WHEN excluded.pipeline_name IN ('unknown', '')
            THEN pipeline_name ELSE excluded.pipeline_name END,
        pipeline_version = excluded.pipeline_version,
        current_step_index = excluded.current_step_index,
        pipeline_context = excluded.pipeline_context,
        last_step_output = excluded.last_step_output,
        status = excluded.status,
        created_at = excluded.created_at,
        updated_at = excluded.updated_at,
        total_steps = excluded.total_steps,
        error_message = excluded.error_message,
        execution_time_ms = excluded.execution_time_ms,
        memory_usage_mb = excluded.memory_usage_mb,
        metadata = excluded.metadata,
        is_background_task = excluded.is_background_task,
        parent_run_id = excluded.parent_run_id,
        task_id = excluded.task_id,
        background_error = excluded.background_error,
        created_at_ns = excluded.created_at_ns,
        updated_at_ns = excluded.updated_at_ns;
    UPDATE runs SET writer_id = NEW.writer_id, change_seq = (SELECT value FROM sequence) + 1
    WHERE run_id = NEW.run_id AND status = 'running' AND NEW.status = 'running'
        AND writer_id <> NEW.writer_id;
    UPDATE sequence SET value = value + changes();
END;

-- The same with the entry after the last one of a history that is there, or with the last one again.
-- It has a trigger of its own, since after a rest each thing to do in a trigger counts: this takes a
-- tenth less of the time than one that can do both.
CREATE TEMP VIEW next_state AS SELECT * FROM saved_state;

CREATE TEMP TRIGGER saving_next_state INSTEAD OF INSERT ON next_state
BEGIN
    SELECT RAISE(ABORT, 'somebody else deleted or wrote entries')
    WHERE NOT COALESCE(
        (SELECT MAX(n) FROM workflow_history WHERE run_id = NEW.run_id) IN (NEW.n - 1, NEW.n), 0
    );
    INSERT OR REPLACE INTO workflow_history VALUES (NEW.run_id, NEW.n, NEW.entry);
    UPDATE workflow_state
    SET (
        pipeline_id, pipeline_name, pipeline_version, current_step_index, pipeline_context,
        last_step_output, status, created_at, updated_at, total_steps, error_message,
        execution_time_ms, memory_usage_mb, metadata, is_background_task, parent_run_id, task_id,
        background_error, created_at_ns, updated_at_ns
    ) = (
        NEW.pipeline_id,
        CASE WHEN NEW.pipeline_name IN ('unknown', '')
            THEN pipeline_name ELSE NEW.pipeline_name END,
        NEW.pipeline_version, NEW.current_step_index,
        NEW.pipeline_context, NEW.last_step_output, NEW.status, NEW.created_at, NEW.updated_at,
        NEW.total_steps, NEW.error_message, NEW.execution_time_ms, NEW.memory_usage_mb,
        NEW.metadata, NEW.is_background_task, NEW.parent_run_id, NEW.task_id,
        NEW.background_error, NEW.created_at_ns, NEW.updated_at_ns
    )
    WHERE run_id = NEW.run_id;
END;

CREATE TEMP VIEW deleted_state AS SELECT '' AS run_id;

CREATE TEMP TRIGGER deleting_state INSTEAD OF INSERT ON deleted_state
BEGIN
    DELETE FROM workflow_history WHERE run_id = NEW.run_id;
    DELETE FROM workflow_state WHERE run_id = NEW.run_id;
END;
