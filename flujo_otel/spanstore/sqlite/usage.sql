-- Tokens and cost of runs and steps, kept up to date as spans come (docs/usage.md): of the spans that
-- carry usage those count that have none with usage beneath them. Two triggers that pour.sql fires.
--
-- What a pour costs here goes by what it brings, not by what the run holds: to add a run's usage up
-- anew at each pour took 21 ms of CPU at 10,000 model calls; this takes 0.7, at the first as at the last.
--
-- spans.usage_below says for each measure (1 cost, 2 tokens) whether a span has usage beneath it,
-- cost_below, tokens_below and unpriced_below what counts of that. Once set, usage_below stays; where usage goes away
-- or a parent changes, which a well-behaved sender never does, the trace is taken anew. A
-- parent is one in the same trace: span ids alone may be another's.

-- Spans of a pour whose part in the sums may change: what counted of them before (NULL: nothing), for
-- their run and for those above them.
CREATE TEMP TABLE metered (
    span_id PRIMARY KEY, trace_id, run_was, cost_was, tokens_was, unpriced_was, above_cost_was,
    above_tokens_was, above_unpriced_was
) WITHOUT ROWID;

-- Spans with usage of their own or beneath them that were there before their parent, which comes now.
CREATE TEMP TABLE linked (
    span_id PRIMARY KEY, trace_id, bits, cost, tokens, unpriced
) WITHOUT ROWID;

-- Traces in which usage went away, or a parent changed.
CREATE TEMP TABLE retraced (trace_id PRIMARY KEY) WITHOUT ROWID;

-- Spans that have usage beneath them from now on.
CREATE TEMP TABLE covered (span_id PRIMARY KEY, bits) WITHOUT ROWID;

-- What is added to each run, and to what is beneath each span.
CREATE TEMP TABLE spent (
    run_id PRIMARY KEY, cost, cost_count, tokens, token_count, unpriced_count
) WITHOUT ROWID;
CREATE TEMP TABLE risen (
    span_id, trace_id, cost, tokens, unpriced, PRIMARY KEY (span_id, trace_id)
) WITHOUT ROWID;
CREATE TEMP TABLE rolled (span_id PRIMARY KEY, cost, tokens, unpriced) WITHOUT ROWID;

CREATE TEMP VIEW usage_before AS SELECT 0 AS pour;
CREATE TEMP VIEW usage_after AS SELECT 0 AS change_seq;

CREATE TEMP VIEW carriers AS
SELECT
    span_id, trace_id, run_id, cost_usd, tokens, usage_below,
    CASE WHEN NOT COALESCE(usage_below, 0) & 1 THEN cost_usd END AS cost_counted,
    CASE WHEN NOT COALESCE(usage_below, 0) & 2 THEN tokens END AS tokens_counted,
    -- tokens that count, and nobody knows what they cost
    tokens IS NOT NULL AND cost_usd IS NULL AND NOT COALESCE(usage_below, 0) AS is_unpriced
FROM spans;

-- The spans above what carries usage, up to those that know it already.
CREATE TEMP VIEW covering AS
WITH RECURSIVE up(span_id, trace_id, bit) AS (
    SELECT s.parent_span_id, s.trace_id, b.column1
    FROM metered m CROSS JOIN spans s ON s.span_id = m.span_id CROSS JOIN (VALUES (1), (2)) b
    WHERE CASE b.column1 WHEN 1 THEN s.cost_usd ELSE s.tokens END IS NOT NULL
    UNION
    SELECT s.parent_span_id, s.trace_id, b.column1
    FROM linked l CROSS JOIN spans s ON s.span_id = l.span_id CROSS JOIN (VALUES (1), (2)) b
    WHERE l.bits & b.column1
    UNION
    SELECT p.parent_span_id, up.trace_id, up.bit
    FROM up CROSS JOIN spans p ON p.span_id = up.span_id
    WHERE p.trace_id = up.trace_id AND NOT COALESCE(p.usage_below, 0) & up.bit
)
SELECT p.span_id, SUM(up.bit) AS bits
FROM up CROSS JOIN spans p ON p.span_id = up.span_id
WHERE p.trace_id = up.trace_id AND NOT COALESCE(p.usage_below, 0) & up.bit
GROUP BY p.span_id;

-- What is risen, at every span above. UNION ends it where parents go round in a circle.
CREATE TEMP VIEW rising AS
WITH RECURSIVE up(source_id, span_id, trace_id) AS (
    SELECT span_id, span_id, trace_id FROM risen
    UNION
    SELECT up.source_id, p.parent_span_id, up.trace_id
    FROM up CROSS JOIN spans p ON p.span_id = up.span_id
    WHERE p.trace_id = up.trace_id AND p.parent_span_id IS NOT NULL
)
SELECT
    up.span_id, TOTAL(r.cost) AS cost, CAST(TOTAL(r.tokens) AS INTEGER) AS tokens,
    SUM(r.unpriced) AS unpriced
FROM up
CROSS JOIN risen r ON r.span_id = up.source_id AND r.trace_id = up.trace_id
CROSS JOIN spans p ON p.span_id = up.span_id
WHERE p.trace_id = up.trace_id
GROUP BY up.span_id;

-- Before the rows are written.
CREATE TEMP TRIGGER usage_remembered INSTEAD OF INSERT ON usage_before
BEGIN
    INSERT INTO metered (span_id, trace_id)
    SELECT span_id, trace_id FROM staged WHERE cost_usd IS NOT NULL OR tokens IS NOT NULL;
    INSERT OR REPLACE INTO metered
    SELECT
        o.span_id, o.trace_id, o.run_id, o.cost_counted, o.tokens_counted, o.is_unpriced,
        o.cost_counted, o.tokens_counted, o.is_unpriced
    FROM staged s CROSS JOIN carriers o ON o.span_id = s.span_id
    WHERE s.n IN taken AND s.old_status IS NOT NULL
        AND (o.cost_usd IS NOT NULL OR o.tokens IS NOT NULL OR o.usage_below IS NOT NULL);
    INSERT OR IGNORE INTO retraced
    SELECT s.trace_id FROM staged s CROSS JOIN spans o ON o.span_id = s.span_id
    WHERE s.n IN taken AND s.old_status IS NOT NULL
        AND s.span_id IN (SELECT span_id FROM metered)
        AND (
            o.cost_usd IS NOT NULL AND s.cost_usd IS NULL
            OR o.tokens IS NOT NULL AND s.tokens IS NULL
            OR o.otel_parent_id IS NOT s.otel_parent_id
        );
    INSERT OR IGNORE INTO linked
    SELECT
        c.span_id, c.trace_id,
        COALESCE(c.usage_below, 0) | (c.cost_usd IS NOT NULL) | (c.tokens IS NOT NULL) * 2,
        CASE WHEN c.usage_below & 1 THEN c.cost_below ELSE c.cost_usd END,
        CASE WHEN c.usage_below & 2 THEN c.tokens_below ELSE c.tokens END,
        COALESCE(c.unpriced_below, 0)
            + (c.tokens IS NOT NULL AND c.cost_usd IS NULL AND NOT COALESCE(c.usage_below, 0))
    FROM staged s
    CROSS JOIN spans c ON c.parent_span_id = s.otel_span_id
        AND (c.cost_usd IS NOT NULL OR c.tokens IS NOT NULL OR c.usage_below IS NOT NULL)
    WHERE s.old_status IS NULL AND s.is_reused IS NULL AND c.trace_id = s.trace_id
        -- Most stores have none at all. Without `>` SQLite would look at every span for it.
        AND EXISTS (
            SELECT 1 FROM spans
            WHERE parent_span_id > ''
                AND (cost_usd IS NOT NULL OR tokens IS NOT NULL OR usage_below IS NOT NULL)
        );
    INSERT OR IGNORE INTO linked
    SELECT
        c.span_id, c.trace_id,
        COALESCE(c.usage_below, 0) | (c.cost_usd IS NOT NULL) | (c.tokens IS NOT NULL) * 2,
        CASE WHEN c.usage_below & 1 THEN c.cost_below ELSE c.cost_usd END,
        CASE WHEN c.usage_below & 2 THEN c.tokens_below ELSE c.tokens END,
        COALESCE(c.unpriced_below, 0)
            + (c.tokens IS NOT NULL AND c.cost_usd IS NULL AND NOT COALESCE(c.usage_below, 0))
    FROM staged s
    CROSS JOIN spans c ON c.parent_span_id = s.span_id
        AND (c.cost_usd IS NOT NULL OR c.tokens IS NOT NULL OR c.usage_below IS NOT NULL)
    WHERE s.n IN taken AND s.old_status IS NULL AND c.trace_id = s.trace_id;
END;

-- After rows are written and moved, and runs have theirs.
CREATE TEMP TRIGGER usage_added INSTEAD OF INSERT ON usage_after
BEGIN
    INSERT OR IGNORE INTO metered
    SELECT
        o.span_id, o.trace_id, m.old_run_id, o.cost_counted, o.tokens_counted, o.is_unpriced,
        o.cost_counted, o.tokens_counted, o.is_unpriced
    FROM moved m CROSS JOIN carriers o ON o.span_id = m.span_id
    WHERE o.cost_usd IS NOT NULL OR o.tokens IS NOT NULL;

    -- A trace that is taken anew.
    INSERT OR IGNORE INTO metered
    SELECT
        o.span_id, o.trace_id, o.run_id, o.cost_counted, o.tokens_counted, o.is_unpriced,
        NULL, NULL, NULL
    FROM carriers o
    WHERE o.run_id IN (
            SELECT trace_id FROM retraced
            UNION ALL
            SELECT t.run_id FROM retraced CROSS JOIN run_traces t USING (trace_id)
        )
        AND o.trace_id IN retraced AND (o.cost_usd IS NOT NULL OR o.tokens IS NOT NULL);
    UPDATE metered SET above_cost_was = NULL, above_tokens_was = NULL, above_unpriced_was = NULL
    WHERE trace_id IN retraced;
    DELETE FROM linked WHERE trace_id IN retraced;
    INSERT INTO rolled
    SELECT span_id, 0, 0, 0 FROM spans
    WHERE run_id IN (
            SELECT trace_id FROM retraced
            UNION ALL
            SELECT t.run_id FROM retraced CROSS JOIN run_traces t USING (trace_id)
        )
        AND trace_id IN retraced AND usage_below IS NOT NULL;
    UPDATE spans
    SET usage_below = NULL, cost_below = NULL, tokens_below = NULL, unpriced_below = NULL
    WHERE span_id IN (SELECT span_id FROM rolled);

    INSERT INTO covered SELECT span_id, bits FROM covering;
    INSERT OR IGNORE INTO metered
    SELECT
        o.span_id, o.trace_id, o.run_id, o.cost_counted, o.tokens_counted, o.is_unpriced,
        o.cost_counted, o.tokens_counted, o.is_unpriced
    FROM covered c CROSS JOIN carriers o ON o.span_id = c.span_id
    WHERE o.cost_usd IS NOT NULL OR o.tokens IS NOT NULL;
    UPDATE spans SET usage_below = COALESCE(usage_below, 0) | c.bits
    FROM covered c
    -- IN: else SQLite starts at the large table.
    WHERE spans.span_id IN (SELECT span_id FROM covered) AND c.span_id = spans.span_id;

    -- TOTAL and CAST: SUM raises where 64 bits do not hold it.
    INSERT INTO spent
    SELECT
        run_id, TOTAL(cost), SUM((cost IS NOT NULL) * sign), CAST(TOTAL(tokens) AS INTEGER),
        SUM((tokens IS NOT NULL) * sign), SUM(unpriced * sign)
    FROM (
        SELECT
            o.run_id, 1 AS sign, o.cost_counted AS cost, o.tokens_counted AS tokens,
            o.is_unpriced AS unpriced
        FROM metered m CROSS JOIN carriers o ON o.span_id = m.span_id
        UNION ALL
        SELECT run_was, -1, -cost_was, -tokens_was, unpriced_was
        FROM metered WHERE run_was IS NOT NULL
    )
    GROUP BY run_id;
    UPDATE runs
    -- Rounded, so that what is taken off again leaves nothing behind.
    SET counted_cost = ROUND(runs.counted_cost + s.cost, 12),
        cost_count = runs.cost_count + s.cost_count,
        counted_tokens = CAST(runs.counted_tokens + s.tokens AS INTEGER),
        token_count = runs.token_count + s.token_count,
        unpriced_count = runs.unpriced_count + s.unpriced_count,
        change_seq = NEW.change_seq
    FROM spent s
    WHERE runs.run_id IN (SELECT run_id FROM spent) AND s.run_id = runs.run_id;
    UPDATE runs
    SET total_cost = CASE WHEN cost_count > 0 THEN counted_cost END,
        total_tokens = CASE WHEN token_count > 0 THEN counted_tokens END
    WHERE run_id IN (SELECT run_id FROM spent UNION ALL SELECT run_id FROM touched)
        AND (run_id IN (SELECT run_id FROM spent) OR cost_count > 0 OR token_count > 0)
        AND root_start_ns IS NOT 0x7FFFFFFFFFFFFFFF;

    INSERT INTO risen
    SELECT
        parent_span_id, trace_id, TOTAL(cost), CAST(TOTAL(tokens) AS INTEGER), SUM(unpriced)
    FROM (
        SELECT
            s.parent_span_id, s.trace_id,
            COALESCE(o.cost_counted, 0) - COALESCE(m.above_cost_was, 0) AS cost,
            COALESCE(o.tokens_counted, 0) - COALESCE(m.above_tokens_was, 0) AS tokens,
            o.is_unpriced - COALESCE(m.above_unpriced_was, 0) AS unpriced
        FROM metered m
        CROSS JOIN carriers o ON o.span_id = m.span_id
        CROSS JOIN spans s ON s.span_id = m.span_id
        WHERE o.cost_counted IS NOT m.above_cost_was
            OR o.tokens_counted IS NOT m.above_tokens_was
            OR o.is_unpriced IS NOT COALESCE(m.above_unpriced_was, 0)
        UNION ALL
        SELECT s.parent_span_id, s.trace_id, COALESCE(l.cost, 0), COALESCE(l.tokens, 0),
            l.unpriced
        FROM linked l CROSS JOIN spans s ON s.span_id = l.span_id
    )
    WHERE parent_span_id IS NOT NULL
    GROUP BY parent_span_id, trace_id;
    INSERT OR REPLACE INTO rolled SELECT span_id, cost, tokens, unpriced FROM rising;
    UPDATE spans
    SET cost_below = ROUND(COALESCE(spans.cost_below, 0) + r.cost, 12),
        tokens_below = CAST(COALESCE(spans.tokens_below, 0) + r.tokens AS INTEGER),
        unpriced_below = COALESCE(spans.unpriced_below, 0) + r.unpriced
    FROM rolled r
    WHERE spans.span_id IN (SELECT span_id FROM rolled) AND r.span_id = spans.span_id;
    UPDATE steps
    SET cost = CASE WHEN s.usage_below & 1 THEN s.cost_below ELSE s.cost_usd END,
        tokens = CASE WHEN s.usage_below & 2 THEN s.tokens_below ELSE s.tokens END,
        unpriced_count = COALESCE(s.unpriced_below, 0) + c.is_unpriced
    FROM rolled r
    CROSS JOIN spans s ON s.span_id = r.span_id
    CROSS JOIN carriers c ON c.span_id = r.span_id
    WHERE s.role & 1 AND steps.span_id = s.span_id;

    DELETE FROM rolled;
    DELETE FROM risen;
    DELETE FROM spent;
    DELETE FROM covered;
    DELETE FROM retraced;
    DELETE FROM linked;
    DELETE FROM metered;
END;
