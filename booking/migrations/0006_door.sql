-- The door: who may scan where, every scan, and a ticket's single use.

-- Set by compare-and-set from `valid`; offline scans that come in later may move it back in time.
ALTER TABLE tickets
    ADD COLUMN checked_in_at timestamptz,
    ADD COLUMN gate text,
    ADD COLUMN checked_in_by uuid,
    ADD CONSTRAINT tickets_checked_in_has_time CHECK (status <> 'checked_in' OR checked_in_at IS NOT NULL);

-- Door staff of one session, named by its organizer.
CREATE TABLE door_staff (
    session_id  uuid        NOT NULL,
    user_id     uuid        NOT NULL,
    assigned_by uuid,                   -- NULL: the operator, by the command line
    assigned_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT door_staff_once_per_session PRIMARY KEY (session_id, user_id)
);

-- Door staff of the whole house, named by its operator: they scan at every session.
CREATE TABLE house_staff (
    user_id     uuid        CONSTRAINT house_staff_once PRIMARY KEY,
    assigned_at timestamptz NOT NULL DEFAULT now()
);

-- Every scan of a genuine ticket, whoever it let in; appended to, never changed. `admitted`: the
-- person went in. `offline`: a device decided that by itself, at its own `device_time`, and told later;
-- `scanned_at` is that time kept between the ticket's issue and now, whatever the device's clock said.
CREATE TABLE check_ins (
    check_in_id     uuid        CONSTRAINT check_ins_pkey PRIMARY KEY,
    ticket_id       uuid        NOT NULL REFERENCES tickets,
    session_id      uuid        NOT NULL,
    user_id         uuid        NOT NULL,
    gate            text        NOT NULL,
    device          text        NOT NULL,
    offline         boolean     NOT NULL,
    admitted        boolean     NOT NULL,
    scanned_at      timestamptz NOT NULL,
    device_time     timestamptz,
    recorded_at     timestamptz NOT NULL DEFAULT now(),
    idempotency_key text,
    request_id      text        NOT NULL,
    CONSTRAINT check_ins_not_from_the_future CHECK (scanned_at <= recorded_at),
    CONSTRAINT check_ins_offline_went_in CHECK (admitted OR NOT offline),
    CONSTRAINT check_ins_offline_has_device_time CHECK (offline = (device_time IS NOT NULL))
);
-- The second fence behind the compare-and-set: online, one ticket lets one person in.
CREATE UNIQUE INDEX check_ins_one_entry_per_ticket ON check_ins (ticket_id) WHERE admitted AND NOT offline;
CREATE UNIQUE INDEX check_ins_told_once ON check_ins (ticket_id, device, device_time) WHERE offline;
CREATE UNIQUE INDEX check_ins_one_per_idempotency_key ON check_ins (user_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX check_ins_of_ticket ON check_ins (ticket_id, scanned_at);
CREATE INDEX check_ins_of_session ON check_ins (session_id, check_in_id);
