-- What notification has sent.

-- name: find_receipts
-- The orders whose receipt has been sent by mail.
SELECT DISTINCT event ->> 'subject' AS order_id FROM messages
WHERE template = 'payment_receipt' AND channel = 'email' AND state = 'sent'
  AND event ->> 'subject' = ANY(:order_ids::text[]);
