-- An organizer's list of the orders of a session, newest first: ids ascend with time (UUIDv7).
CREATE INDEX orders_of_session ON orders (session_id, order_id);
