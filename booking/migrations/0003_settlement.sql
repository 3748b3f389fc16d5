-- Paying and settling many orders in one statement (docs/adr/0016), and when to ask a provider.

-- As the tables that an order is placed in (0001): one statement writes a payment, another the tickets,
-- nothing else inserts, both read the order's row under its lock, and `stampede audit` checks that they
-- agree. The two references cost a look-up for each ticket and payment beside that.
ALTER TABLE payments DROP CONSTRAINT payments_order_id_fkey;
ALTER TABLE tickets DROP CONSTRAINT tickets_order_id_fkey;
CREATE INDEX payments_of_order ON payments (order_id);

-- When the provider is asked about a payment without an answer, or for a refund that is due; how often
-- it has been, from which the next time follows.
ALTER TABLE payments ADD COLUMN ask_at timestamptz NOT NULL DEFAULT now() + interval '5 seconds';
ALTER TABLE payments ADD COLUMN asked int NOT NULL DEFAULT 0;
DROP INDEX payments_unsettled;
CREATE INDEX payments_unsettled ON payments (ask_at)
    WHERE state IN ('created', 'processing', 'refund_due');
