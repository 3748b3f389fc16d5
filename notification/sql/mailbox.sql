-- The local mailbox.

-- name: put_mail!
-- A mailbox recognises a resend by its Message-ID.
INSERT INTO mailbox (mail_id, channel, header_id, recipient, subject, mime)
VALUES (:mail_id, :channel, :header_id, :recipient, :subject, :mime)
ON CONFLICT ON CONSTRAINT mailbox_one_by_header_id DO NOTHING;

-- name: list_mails
-- Newest first; everybody's without a recipient.
SELECT mail_id, channel, recipient, subject, delivered_at, mime
FROM mailbox
WHERE :recipient::text IS NULL OR lower(recipient) = lower(:recipient)
ORDER BY delivered_at DESC, mail_id DESC
LIMIT :limit;

-- name: find_mail^
-- One, with everything in it.
SELECT mail_id, channel, recipient, subject, delivered_at, mime FROM mailbox WHERE mail_id = :mail_id;

-- name: prune_mailbox!
-- A development mailbox keeps a while of mails, not all there ever were.
DELETE FROM mailbox WHERE delivered_at < now() - make_interval(days => :days::int);

-- name: is_up$
-- For the readiness probe.
SELECT true;
