"""Operations: what `operator` and `admin` do on the night of a sale, each with a reason that is kept.

steering.py pauses and resumes a session's sale and changes its limits; controls.py is what this process knows
of it, so that orders are refused without a question; actions.py lists who did what; dead_letters.py lists and
retries the events that services could not apply. PostgreSQL decides (docs/adr/0070). Orders may use
controls.py; nothing else here is theirs. Owns the tables sale_controls and operator_actions.
"""
