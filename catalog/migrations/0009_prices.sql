-- What a session's tickets cost beyond its areas' prices (docs/adr/0094): categories, fees and taxes as the organizer
-- wrote them (catalog/prices/wire.py, Sheet). A session whose areas' prices are all there is has no row, as every
-- session of before. `price_from`: the least that an order costs, with fees.
CREATE TABLE session_prices (
    session_id uuid   CONSTRAINT session_prices_once_per_session PRIMARY KEY
               REFERENCES sessions ON DELETE CASCADE,
    sheet      jsonb  NOT NULL,
    price_from bigint NOT NULL CHECK (price_from >= 0)
);

-- Published prices are what tickets were sold by. The function is that of areas (0001).
CREATE TRIGGER session_prices_frozen_once_published
    BEFORE INSERT OR UPDATE OR DELETE ON session_prices
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_published_plan();
