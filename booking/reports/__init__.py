"""Organizers' reports on their own sessions: orders, attendees, sales.

Read only, for the session's organizer and for admins; everybody else gets NotFound. Lists are paged by a
cursor that an index serves, as JSON or CSV. Names and addresses come from identity, one call for each 200 of
a page. Placing an order uses nothing of this package.
"""
