-- Rehearsals: shadows of sessions, told by the mark of their ids (contracts/rehearsals.py).

CREATE FUNCTION is_rehearsal(id uuid) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN right(id::text, 12) = '726568656172';

-- As before, but a rehearsal's areas may be deleted: nobody has bought anything by its plan.
CREATE OR REPLACE FUNCTION refuse_change_of_published_plan() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    owners uuid[] := CASE TG_OP
        WHEN 'INSERT' THEN ARRAY[NEW.session_id]
        WHEN 'DELETE' THEN ARRAY[OLD.session_id]
        ELSE ARRAY[OLD.session_id, NEW.session_id] END;
    state text;
BEGIN
    IF TG_OP = 'DELETE' AND right(OLD.session_id::text, 12) = '726568656172' THEN
        RETURN OLD;
    END IF;
    -- FOR SHARE waits for a publishing under way, so nothing slips in between.
    FOR state IN SELECT status FROM sessions WHERE session_id = ANY(owners) FOR SHARE LOOP
        IF state <> 'draft' THEN
            RAISE EXCEPTION 'the plan of a published session is frozen'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'areas_frozen_once_published';
        END IF;
    END LOOP;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
