-- What an observer reads of kombu's tables. Every statement here only reads; a role that may SELECT
-- both tables can run all of them. {queues} and {messages} are the tables' names.
--
-- A row is `visible` while its message waits and never again after it was delivered; kombu deletes
-- none, so nearly all rows are dead. Whatever touches rows says `visible = true` for the index on
-- that column: its cost then grows with what waits, and not with what was ever sent. `timestamp` is
-- of no use: it is NULL while a message waits, and the time of delivery after that.

-- name: waiting
-- Every queue, how many wait in it and the first of them; how many wait in all, and the newest.
-- Queues for answers, events and canaries are left out, but their rows are rows.
WITH waiting AS (
    SELECT queue_id, count(*) AS length, min(id) AS first, max(id) AS newest
    FROM {messages} WHERE visible = true GROUP BY queue_id
)
SELECT queue.id, queue.name, coalesce(waiting.length, 0), waiting.first,
       (SELECT coalesce(sum(length), 0) FROM waiting), (SELECT coalesce(max(newest), 0) FROM waiting)
FROM {queues} AS queue LEFT JOIN waiting ON waiting.queue_id = queue.id
WHERE queue.name NOT LIKE '%.reply.celery.pidbox' AND queue.name NOT LIKE 'celeryev.%'
  AND queue.name NOT LIKE 'portless.canary.%'
ORDER BY 3 DESC, 2 LIMIT :queues_max;

-- name: heads
-- Messages by their primary key, for the time in their header. The header comes last in the text,
-- so one that is too long for that is not read at all.
SELECT id, CASE WHEN length(payload) <= :payload_max THEN payload END
FROM {messages} WHERE id IN :ids;

-- name: behind
-- What is behind the first message of a queue, for where that one waits for its ETA.
SELECT id, CASE WHEN length(payload) <= :payload_max THEN payload END
FROM {messages} WHERE visible = true AND queue_id = :queue_id AND id > :first
ORDER BY id LIMIT :behind_max;

-- name: table_postgresql
-- The clock, rows of all kinds, and bytes. The rows are PostgreSQL's own count, which costs nothing
-- and is about right; counting 500,000 dead ones takes longer than all the rest.
SELECT extract(epoch FROM clock_timestamp()),
       CASE WHEN pg_stat_get_live_tuples(oid) > 0 THEN pg_stat_get_live_tuples(oid)
            ELSE greatest(reltuples, 0) END,
       pg_total_relation_size(oid)
FROM pg_class WHERE oid = CAST(:messages AS regclass);

-- name: table_sqlite
-- The same; SQLite counts rows by the pages of an index, and knows the size of its file only.
SELECT (julianday('now') - 2440587.5) * 86400.0,
       (SELECT count(*) FROM {messages}),
       (SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size());

-- name: database_postgresql
-- What tells this database from every other, under whatever address it was reached.
SELECT current_database(), system_identifier FROM pg_control_system();

-- name: elect
-- One session of a database has the lock, until it ends however it ends.
SELECT pg_try_advisory_lock(:key);

-- name: elected
-- Whether it still is this session that has it: behind a pooler a statement may be another's.
SELECT count(*) FROM pg_locks
WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted
AND ((classid::bigint << 32) | objid::bigint) = :key AND objsubid = 1;

-- name: session_postgresql
-- A session that can only read, is ended by the server when a statement or a silence is too long,
-- and whose end the server notices when the machine on the other side is gone.
SELECT set_config('default_transaction_read_only', 'on', false),
       set_config('application_name', 'portless observe', false),
       set_config('statement_timeout', :statement_ms, false),
       set_config('lock_timeout', :statement_ms, false),
       set_config('tcp_keepalives_idle', '5', false),
       set_config('tcp_keepalives_interval', '2', false),
       set_config('tcp_keepalives_count', '3', false),
       (SELECT set_config(name, :silence_ms, false) FROM pg_settings
        WHERE name = 'idle_session_timeout');
