-- Which seats of an order are accessible ones, and why it has them (docs/adr/0032): `wanted`, asked for
-- or picked, or `last_left`, given to somebody who had not asked, since too few others were left.
-- NULL, which costs next to nothing, is an ordinary seat or a place to stand.
ALTER TABLE order_items
    ADD COLUMN accessible text
        CONSTRAINT order_items_accessible_known CHECK (accessible IN ('wanted', 'last_left'));
