-- phase: contract
-- needs: 0030
-- transaction: no
-- After the last process that lists somebody's tickets, or asks for a provider's event, by the older indexes.
DO $$
BEGIN
    SET LOCAL lock_timeout = '300ms';  -- others wait behind an index that is dropped
    DROP INDEX IF EXISTS tickets_of_user;
    COMMIT;
    IF EXISTS (SELECT FROM pg_constraint WHERE conname = 'provider_events_taken_once'
               AND conrelid = 'provider_events'::regclass) THEN
        SET LOCAL lock_timeout = '300ms';
        ALTER TABLE provider_events
            DROP CONSTRAINT provider_events_taken_once,
            ADD CONSTRAINT provider_events_taken_once_of_payment
                PRIMARY KEY USING INDEX provider_events_taken_once_of_payment;
        COMMIT;
    END IF;
END
$$;
