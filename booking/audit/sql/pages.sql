-- Where the pages of a walk end: the key after so many rows, or no row, which means that the rest is one page.
-- By a primary key, or the index that begins with the session. A page of sessions has all rows of its last session.

-- name: audit_page_of_orders$
SELECT order_id FROM orders WHERE order_id > :after ORDER BY order_id OFFSET :rows LIMIT 1;

-- name: audit_page_of_sessions$
SELECT session_id FROM orders WHERE session_id > :after ORDER BY session_id OFFSET :rows LIMIT 1;

-- name: audit_page_of_claims$
SELECT session_id FROM seat_claims WHERE session_id > :after ORDER BY session_id OFFSET :rows LIMIT 1;

-- name: audit_page_of_tickets$
SELECT ticket_id FROM tickets WHERE ticket_id > :after ORDER BY ticket_id OFFSET :rows LIMIT 1;

-- name: audit_page_of_payments$
SELECT payment_id FROM payments WHERE payment_id > :after ORDER BY payment_id OFFSET :rows LIMIT 1;

-- name: audit_page_of_refunds$
SELECT refund_id FROM refunds WHERE refund_id > :after ORDER BY refund_id OFFSET :rows LIMIT 1;

-- name: audit_page_of_transfers$
SELECT transfer_id FROM ticket_transfers WHERE transfer_id > :after ORDER BY transfer_id OFFSET :rows LIMIT 1;

-- name: audit_page_of_redemptions$
SELECT order_id FROM promo_redemptions WHERE order_id > :after ORDER BY order_id OFFSET :rows LIMIT 1;

-- name: audit_page_of_codes$
SELECT promo_code_id FROM promo_codes WHERE promo_code_id > :after ORDER BY promo_code_id OFFSET :rows LIMIT 1;

-- name: audit_page_of_cancellations$
SELECT session_id FROM session_cancellations WHERE session_id > :after ORDER BY session_id OFFSET :rows LIMIT 1;
