-- Requests of a collector, committed as they came where more came than could be made rows.
CREATE TABLE backlog (
    request_id INTEGER PRIMARY KEY AUTOINCREMENT, -- none is used again: it may be forgotten late
    writer_id INTEGER NOT NULL,      -- whose it is to make rows of it
    encoding INTEGER NOT NULL,       -- of the body, by the collector's numbers
    span_count INTEGER NOT NULL,
    body BLOB NOT NULL               -- an ExportTraceServiceRequest
);
