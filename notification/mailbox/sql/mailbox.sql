-- The local mailbox.

-- name: put_mails!
-- A resend has the same Message-ID and is skipped.
INSERT INTO mailbox (mail_id, channel, header_id, recipient, language, subject, text, html)
SELECT mail_id, :channel, header_id, recipient, language, subject, text, html
FROM unnest(:mail_ids::uuid[], :header_ids::text[], :recipients::text[], :languages::text[],
            :subjects::text[], :texts::text[], :htmls::text[])
    AS put (mail_id, header_id, recipient, language, subject, text, html)
ON CONFLICT ON CONSTRAINT mailbox_one_by_header_id DO NOTHING;

-- name: list_mails
-- Newest first; of all recipients if none is given.
SELECT mail_id, channel, header_id, recipient, language, subject, delivered_at, text, html, mime
FROM mailbox
WHERE :recipient::text IS NULL OR lower(recipient) = lower(:recipient)
ORDER BY delivered_at DESC, mail_id DESC
LIMIT :limit;

-- name: find_mail^
-- One mail with all its parts.
SELECT mail_id, channel, header_id, recipient, language, subject, delivered_at, text, html, mime
FROM mailbox
WHERE mail_id = :mail_id;

-- name: prune_mailbox!
-- The mailbox keeps mails for :days days.
DELETE FROM mailbox WHERE delivered_at < now() - make_interval(days => :days::int);
