"""The only place of booking that runs SQL: records in, records out, one module a subject."""
