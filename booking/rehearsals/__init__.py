"""What a rehearsal leaves in booking: counted for its report, and removed without touching anything else.

Called by `stampede rehearse` only. Every statement names the shadow's session or ids that were read from it,
and refuses a session whose id has no mark (contracts.rehearsals).
"""
