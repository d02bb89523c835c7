"""The hot statements of the send engine. Each names one company, so that each also runs on one shard.

Locks: a claim locks lanes (by sender), then takes only outbox rows that nobody holds; whoever writes outcomes locks
outbox rows, then lanes (by sender). So nobody who holds a lane waits for a row.

Plans: a batch is given as an array to match the key against, never joined. A join leaves the planner the choice to
walk through a company's whole outbox, which it makes when the table was small at its last look. For the same reason a
state beside a key is written `state || ''`: no partial index is to be preferred to the key.
"""

from sqlalchemy import text

from ringfence.tenancy.statements import register

# Which senders have work now or within a moment (`due_in` seconds): the only look across companies, and it shows no
# content.
DUE_LANES = text("""
    SELECT company_id, sender_id, segments_per_second, COALESCE(paused_until > now(), false) AS paused,
           CAST(EXTRACT(epoch FROM next_due - now()) AS float8) AS due_in
    FROM lane WHERE next_due <= now() + make_interval(secs => :ahead) ORDER BY next_due LIMIT :most
""")

LOCK_LANES = register(
    "dispatch.lock_lanes",
    """
    SELECT sender_id FROM lane WHERE company_id = :company_id AND sender_id = ANY(CAST(:senders AS uuid[]))
    ORDER BY sender_id FOR UPDATE
    """,
)

# The lease and the intent are one commit: a row is `posting` only if its send_attempt stands beside it. Each priority
# is one index range (company, sender, priority, due_at), so texts scheduled for later are never walked over.
CLAIM = register(
    "dispatch.claim",
    """
    WITH wanted AS (
        SELECT * FROM unnest(CAST(:senders AS uuid[]), CAST(:budgets AS int[])) AS w(sender_id, budget)
    ), candidate AS (
        SELECT o.* FROM wanted w CROSS JOIN (VALUES (0), (1), (2), (3)) AS p(priority) CROSS JOIN LATERAL (
            SELECT message_id, sender_id, priority, due_at, segments, w.budget FROM outbox
            WHERE company_id = :company_id AND sender_id = w.sender_id AND priority = p.priority
              AND state = 'ready' AND due_at <= now()
            ORDER BY due_at, message_id LIMIT LEAST(w.budget, :most) FOR UPDATE SKIP LOCKED
        ) o
    ), ranked AS (
        SELECT *, sum(segments) OVER sender - segments AS before,
               row_number() OVER (ORDER BY priority, due_at, message_id) AS position
        FROM candidate WINDOW sender AS (PARTITION BY sender_id ORDER BY priority, due_at, message_id)
    )
    UPDATE outbox o SET state = 'posting', attempt = o.attempt + 1, fence = :fence,
           due_at = clock_timestamp() + make_interval(secs => :presumed_dead)
    WHERE o.company_id = :company_id
      AND o.message_id = ANY(ARRAY(SELECT message_id FROM ranked WHERE before < budget AND position <= :most))
      AND EXISTS (SELECT 1 FROM dispatcher_lease
                  WHERE name = 'dispatcher' AND owner = :owner AND fence = :fence AND until > clock_timestamp())
    RETURNING o.message_id, o.sender_id, o.attempt, o.segments
    """,
)
INTEND = register(
    "dispatch.intend",
    """
    INSERT INTO send_attempt (company_id, message_id, attempt, fence, started_at)
    SELECT :company_id, i.message_id, i.attempt, :fence, clock_timestamp()
    FROM unnest(CAST(:message_ids AS uuid[]), CAST(:attempts AS int[])) AS i(message_id, attempt)
    """,
)

# When each lane is to be looked at next: its earliest alarm, or its earliest ready row once rate and pause allow.
NEXT_DUE = register(
    "dispatch.next_due",
    """
    UPDATE lane l SET next_due = LEAST(
        CASE WHEN n.ready_at IS NOT NULL THEN GREATEST(n.ready_at, e.eligible_at, l.paused_until) END, n.alarm_at)
    FROM unnest(CAST(:senders AS uuid[]), CAST(:eligible AS timestamptz[])) AS e(sender_id, eligible_at)
    CROSS JOIN LATERAL (
        SELECT (SELECT min(r.due_at) FROM (VALUES (0), (1), (2), (3)) AS p(priority) CROSS JOIN LATERAL (
                    SELECT due_at FROM outbox WHERE company_id = :company_id AND sender_id = e.sender_id
                      AND priority = p.priority AND state = 'ready' ORDER BY due_at LIMIT 1) r) AS ready_at,
               (SELECT due_at FROM outbox WHERE company_id = :company_id AND sender_id = e.sender_id
                  AND state <> 'ready' ORDER BY due_at LIMIT 1) AS alarm_at
    ) n
    WHERE l.company_id = :company_id AND l.sender_id = e.sender_id
      AND COALESCE(n.ready_at, n.alarm_at) IS NOT NULL
    RETURNING l.sender_id, l.next_due <= now() AS more, n.alarm_at <= now() AS alarmed
    """,
)
# A lane without rows goes; a sender that is just committing one waits for our lock and then makes the lane anew.
DROP_EMPTY_LANES = register(
    "dispatch.drop_empty_lanes",
    """
    DELETE FROM lane l WHERE l.company_id = :company_id AND l.sender_id = ANY(CAST(:senders AS uuid[]))
      AND (SELECT true FROM outbox o WHERE o.company_id = :company_id AND o.sender_id = l.sender_id
           AND o.state = 'ready' LIMIT 1) IS NULL
      AND (SELECT true FROM outbox o WHERE o.company_id = :company_id AND o.sender_id = l.sender_id
           AND o.state <> 'ready' LIMIT 1) IS NULL
    """,
)

# Outcomes. The attempt says whose POST it was (each claim counts it up): a late answer of another changes nothing.
DONE = register(
    "dispatch.done",
    """
    DELETE FROM outbox WHERE company_id = :company_id AND message_id = ANY(CAST(:message_ids AS uuid[]))
      AND attempt = (CAST(:attempts AS int[]))[array_position(CAST(:message_ids AS uuid[]), message_id)]
    RETURNING message_id
    """,
)
REQUEUE = register(
    "dispatch.requeue",
    """
    UPDATE outbox SET state = 'ready', unknown_until = NULL,
           due_at = (CAST(:due AS timestamptz[]))[array_position(CAST(:message_ids AS uuid[]), message_id)]
    WHERE company_id = :company_id AND message_id = ANY(CAST(:message_ids AS uuid[]))
      AND attempt = (CAST(:attempts AS int[]))[array_position(CAST(:message_ids AS uuid[]), message_id)]
      AND state || '' <> 'ready'
    RETURNING message_id, sender_id, due_at
    """,
)
PARK = register(
    "dispatch.park",
    """
    UPDATE outbox SET state = 'unknown', due_at = now() + make_interval(secs => :look_after),
           unknown_until = now() + make_interval(secs => :give_up_after)
    WHERE company_id = :company_id AND message_id = ANY(CAST(:message_ids AS uuid[]))
      AND attempt = (CAST(:attempts AS int[]))[array_position(CAST(:message_ids AS uuid[]), message_id)]
      AND state || '' = 'posting'
    RETURNING message_id, sender_id, due_at
    """,
)
WAKE_LANES = register(
    "dispatch.wake_lanes",
    """
    UPDATE lane l SET next_due = LEAST(l.next_due, w.due_at)
    FROM (SELECT u.sender_id, min(u.due_at) AS due_at
          FROM unnest(CAST(:senders AS uuid[]), CAST(:due AS timestamptz[])) AS u(sender_id, due_at)
          GROUP BY u.sender_id) w
    WHERE l.company_id = :company_id AND l.sender_id = w.sender_id
    """,
)
PAUSE_LANE = register(
    "dispatch.pause_lane",
    """
    UPDATE lane SET paused_until = GREATEST(COALESCE(paused_until, :until), :until)
    WHERE company_id = :company_id AND sender_id = ANY(CAST(:senders AS uuid[]))
    """,
)

# Recovery. An intent whose process died is never resent: it becomes unknown, and is asked about.
PRESUME_DEAD = register(
    "dispatch.presume_dead",
    """
    UPDATE outbox SET state = 'unknown',
           due_at = GREATEST(now(), due_at + make_interval(secs => :look_after - :presumed_dead)),
           unknown_until = due_at + make_interval(secs => :give_up_after - :presumed_dead)
    WHERE company_id = :company_id AND message_id = ANY(ARRAY(
        SELECT message_id FROM outbox
        WHERE company_id = :company_id AND sender_id = ANY(CAST(:senders AS uuid[])) AND state = 'posting'
          AND due_at <= now() ORDER BY due_at LIMIT 500 FOR UPDATE SKIP LOCKED))
    RETURNING message_id, attempt
    """,
)
# Taking a look-up sets its next alarm, so that a dispatcher that dies meanwhile leaves it to the next one.
TAKE_UNKNOWN = register(
    "dispatch.take_unknown",
    """
    UPDATE outbox o SET due_at = LEAST(now() + make_interval(secs => :look_after),
                                       CASE WHEN o.unknown_until > now() THEN o.unknown_until END)
    WHERE o.company_id = :company_id AND o.message_id = ANY(ARRAY(
        SELECT message_id FROM outbox
        WHERE company_id = :company_id AND sender_id = ANY(CAST(:senders AS uuid[])) AND state = 'unknown'
          AND due_at <= now() ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED))
    RETURNING o.message_id, o.attempt, o.unknown_until <= now() AS give_up,
              (SELECT a.started_at FROM send_attempt a WHERE a.company_id = :company_id
               AND a.message_id = o.message_id AND a.attempt = o.attempt) AS started_at
    """,
)
# Texts under way or unknown beside those that are looked for: one of them may be what the list shows.
RIVALS = register(
    "dispatch.rivals",
    """
    SELECT o.message_id, o.attempt,
           (SELECT a.started_at FROM send_attempt a WHERE a.company_id = :company_id
            AND a.message_id = o.message_id AND a.attempt = o.attempt) AS started_at
    FROM outbox o
    WHERE o.company_id = :company_id AND o.sender_id = ANY(CAST(:senders AS uuid[])) AND o.state <> 'ready'
      AND o.message_id <> ALL(CAST(:taken AS uuid[]))
    LIMIT 1000
    """,
)
