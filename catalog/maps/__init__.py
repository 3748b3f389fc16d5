"""What is drawn of a session's hall, for anybody who looks at it.

    seat_map.py   every seat with its place: GET /sessions/{id}/seat-map
    compact.py    rows as courses, a hundredth of that: GET /sessions/{id}/hall
    cached.py     both encoded once, off the event loop, and kept while they are valid

wire.py has their forms. Called by catalog's routes.
"""
