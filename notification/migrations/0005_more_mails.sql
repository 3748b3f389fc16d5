-- Which messages there are is for planning.py and the templates to say, and a test renders each of
-- them: a list here as well would have every new mail change the schema.
ALTER TABLE messages DROP CONSTRAINT IF EXISTS messages_template;
ALTER TABLE messages ADD CONSTRAINT messages_template CHECK (template ~ '^[a-z_]{1,64}$');
