-- A mail in the local mailbox is kept as what it was made of: its MIME would cost the sender more than
-- everything else about it, and nobody reads it. Older mails keep theirs.
ALTER TABLE mailbox
    ALTER COLUMN mime DROP NOT NULL,
    ADD COLUMN language text,
    ADD COLUMN text text,
    ADD COLUMN html text,
    ADD CONSTRAINT mailbox_mime_or_parts CHECK (
        (mime IS NULL) = (text IS NOT NULL AND language IS NOT NULL));

-- Events are stored and read whole: as text that has been checked, and not taken apart each time.
ALTER TABLE messages ALTER COLUMN event TYPE json USING event::json;

-- What ends the time to pay, by order: a confirmation that waited in a rush is not sent behind it.
CREATE INDEX messages_endings ON messages ((event ->> 'subject'))
    WHERE template IN ('payment_receipt', 'order_cancellation');
