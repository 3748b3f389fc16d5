-- How operators steer sessions' sales, as booking's events tell it (docs/adr/0070): for what buyers read. Booking
-- decides. A row with a lower version is older.
CREATE TABLE sale_controls (
    session_id           uuid    CONSTRAINT sale_controls_once_per_session PRIMARY KEY,
    paused               boolean NOT NULL,
    max_tickets_per_user int,
    version              bigint  NOT NULL
);
