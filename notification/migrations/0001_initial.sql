-- What notification remembers: events taken, messages to send, and the local mailbox.

CREATE TABLE inbox (
    event_id uuid PRIMARY KEY,
    taken_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX inbox_by_age ON inbox USING brin (taken_at);

CREATE TABLE dead_letters (
    event_id     uuid PRIMARY KEY,
    event        jsonb NOT NULL,
    reason       text NOT NULL,
    attempts     int NOT NULL DEFAULT 1,
    first_failed timestamptz NOT NULL DEFAULT now(),
    last_failed  timestamptz NOT NULL DEFAULT now(),
    next_attempt timestamptz
);

-- One message by one channel because of one event. The row is the event's effect; sending comes after.
-- due → sent, or skipped (there is nobody or nothing to send it to), or dead (given up; see dlq).
CREATE TABLE messages (
    message_id   uuid PRIMARY KEY,
    event_id     uuid NOT NULL,
    template     text NOT NULL,
    channel      text NOT NULL,
    user_id      uuid NOT NULL,
    event        jsonb NOT NULL,
    state        text NOT NULL DEFAULT 'due',
    attempts     int NOT NULL DEFAULT 0,
    next_attempt timestamptz DEFAULT now(),   -- while it is being sent: the end of the sender's lease
    reason       text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT now(),
    ended_at     timestamptz,
    CONSTRAINT messages_one_by_event UNIQUE (event_id, template, channel),
    CONSTRAINT messages_template CHECK (
        template IN ('order_confirmation', 'payment_receipt', 'order_cancellation')),
    CONSTRAINT messages_channel CHECK (channel IN ('email', 'sms')),
    CONSTRAINT messages_state CHECK (state IN ('due', 'sent', 'skipped', 'dead')),
    CONSTRAINT messages_due_have_a_time CHECK ((state = 'due') = (next_attempt IS NOT NULL))
);
CREATE INDEX messages_due ON messages (next_attempt) WHERE state = 'due';
CREATE INDEX messages_ended ON messages USING brin (created_at);

-- Where mails and SMS go without an SMTP server: what a mail program would have received.
CREATE TABLE mailbox (
    mail_id      uuid PRIMARY KEY,
    channel      text NOT NULL,
    header_id    text NOT NULL,
    recipient    text NOT NULL,
    subject      text NOT NULL,
    mime         bytea NOT NULL,
    delivered_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT mailbox_one_by_header_id UNIQUE (header_id)
);
CREATE INDEX mailbox_by_time ON mailbox (delivered_at DESC);
CREATE INDEX mailbox_by_recipient ON mailbox (lower(recipient), delivered_at DESC);
