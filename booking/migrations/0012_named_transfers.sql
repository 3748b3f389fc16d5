-- Who a ticket came from and went to, as either may read it of the other: an address with all but its first
-- letter masked, as it was at that moment. NULL for tickets that changed hands before this.
ALTER TABLE ticket_transfers ADD COLUMN from_name text, ADD COLUMN to_name text;
CREATE INDEX ticket_transfers_of_order ON ticket_transfers (order_id);
