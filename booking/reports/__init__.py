"""What organizers read of their own sessions: orders, attendees, sales.

Only reads, and only for who organizes the session and for admins; to everybody else it is not there.
Lists are pages behind a cursor that an index answers, in JSON or as CSV; names and addresses come from
identity, one call for each 200 of a page. Nothing here is on the way of an order.
"""
