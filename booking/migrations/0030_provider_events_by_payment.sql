-- transaction: no
-- What a provider has told is found by the payment that it is about, whose id begins with its time. The ids that
-- providers give are random: an index that begins with one takes each event at a random page of all that there ever
-- were (docs/adr/0099). One payment has a few events.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS provider_events_taken_once_of_payment
    ON provider_events (payment_id, provider, event_id);
