-- What stock workers were handed and kombu keeps: rows that are invisible with a version above 0.
-- All of it runs on any database that kombu runs on.

-- name: count
SELECT count(*) FROM {messages} WHERE visible = false AND version > 0;

-- name: page
-- By the primary key, so that a page costs the same wherever it is.
SELECT id, payload FROM {messages}
WHERE id > :after AND visible = false AND version > 0
ORDER BY id LIMIT :rows;

-- name: old_page
SELECT id, payload FROM {messages}
WHERE id > :after AND visible = false AND version > 0 AND timestamp < :before
ORDER BY id LIMIT :rows;

-- name: living
-- Messages that wait, and those that acknowledging workers hold.
SELECT payload FROM {messages} WHERE visible = true OR version < 0;

-- name: states
SELECT task_id, status FROM {results} WHERE task_id IN :task_ids;

-- name: delete
DELETE FROM {messages} WHERE id IN :ids AND visible = false AND version > 0;

-- name: restore
UPDATE {messages} SET visible = true, timestamp = NULL, version = version + 1
WHERE id IN :ids AND visible = false AND version > 0;
