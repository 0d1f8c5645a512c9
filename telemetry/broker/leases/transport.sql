-- What the acknowledging transport does to kombu's tables. The states of a message, by row:
--
--   visible, version 1                waiting, never delivered
--   visible, version above 1          waiting, delivered before
--   not visible, version below 0      held by the process whose seat is -version
--   not visible, version 0            set aside: its payload is no message
--   not visible, version above 0      delivered by a stock worker, of which nothing more is known
--
-- Stock producers write the first, stock workers turn the first two into the last by version + 1.

-- name: declare
INSERT INTO {queues} (id, name)
SELECT nextval('queue_id_sequence'), CAST(:queue AS VARCHAR)
 WHERE NOT EXISTS (SELECT FROM {queues} WHERE name = :queue)
    ON CONFLICT (name) DO NOTHING;

-- name: is_declared
SELECT EXISTS (SELECT FROM {queues} WHERE name = :queue);

-- name: put
INSERT INTO {messages} (id, visible, payload, version, queue_id)
SELECT nextval('message_id_sequence'), true, :payload, 1, id
  FROM {queues}
 WHERE name = :queue;

-- name: wake
-- Apart from `put`: commits that notify take turns in PostgreSQL, and would do so with their flush.
SELECT set_config('synchronous_commit', 'off', true), pg_notify(:listeners, :queue);

-- name: reserve
WITH next AS (
    SELECT id, version
      FROM {messages}
     WHERE queue_id = (SELECT id FROM {queues} WHERE name = :queue) AND visible
     ORDER BY id
     LIMIT :room
       FOR UPDATE SKIP LOCKED
), reserved AS (
    UPDATE {messages} AS message
       SET visible = false, timestamp = LOCALTIMESTAMP, version = :held
      FROM next
     WHERE message.id = next.id
    RETURNING message.id, message.payload, next.version
)
SELECT id, payload, version > 1 FROM reserved ORDER BY id;

-- name: acknowledge
DELETE FROM {messages} WHERE id = ANY(:ids) AND version = :held;

-- name: give_back
WITH back AS (
    UPDATE {messages}
       SET visible = true, timestamp = NULL, version = :version
     WHERE id = ANY(:ids) AND version = :held
    RETURNING queue_id
)
SELECT queue.name, count(*), pg_notify(:listeners, queue.name)
  FROM back JOIN {queues} AS queue ON queue.id = back.queue_id
 GROUP BY queue.name;

-- name: set_aside
UPDATE {messages} SET version = 0 WHERE id = ANY(:ids) AND version = :held;

-- name: forget_unknown
-- A reservation that was made while its answer was lost: nobody here knows of it.
UPDATE {messages}
   SET visible = true, timestamp = NULL, version = 2
 WHERE version = :held AND NOT id = ANY(:known);

-- name: size
SELECT count(*)
  FROM {messages}
 WHERE queue_id = (SELECT id FROM {queues} WHERE name = :queue) AND visible;

-- name: purge
DELETE FROM {messages}
 WHERE queue_id = (SELECT id FROM {queues} WHERE name = :queue) AND visible;

-- name: undeclare
-- Rows of a stock worker's past, or that somebody holds, keep the name.
DELETE FROM {queues} AS queue
 WHERE name = :queue AND NOT EXISTS (SELECT FROM {messages} WHERE queue_id = queue.id);

-- name: take_seat
INSERT INTO {consumers} (process) VALUES (:process)
    ON CONFLICT (seat) DO NOTHING
RETURNING seat;

-- name: sit_down
-- Held by the session: PostgreSQL lets go of it when the process ends, whatever ended it.
SELECT pg_try_advisory_lock(:locks, :seat);

-- name: beat
UPDATE {consumers} SET seen_at = now() WHERE seat = :seat;

-- name: leave_seats
DELETE FROM {consumers} WHERE seat = ANY(:seats);

-- name: seats
SELECT consumer.seat, present.seat IS NOT NULL,
       consumer.seen_at < now() - make_interval(secs => :visibility_timeout)
  FROM {consumers} AS consumer
  LEFT JOIN (
    SELECT objid::bigint AS seat
      FROM pg_locks
     WHERE locktype = 'advisory' AND granted AND objsubid = 2
       AND classid::bigint = :locks
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  ) AS present ON present.seat = consumer.seat;

-- name: orphaned
-- Apart from `recover`, which may wait for a row: by then it could be held by a newer seat.
SELECT DISTINCT version
  FROM {messages} AS message
 WHERE version < 0 AND NOT EXISTS (SELECT FROM {consumers} WHERE seat = -message.version);

-- name: recover
WITH back AS (
    UPDATE {messages}
       SET visible = true, timestamp = NULL, version = 2
     WHERE version = ANY(:orphans)
    RETURNING queue_id
)
SELECT queue.name, count(*), pg_notify(:listeners, queue.name)
  FROM back JOIN {queues} AS queue ON queue.id = back.queue_id
 GROUP BY queue.name;
