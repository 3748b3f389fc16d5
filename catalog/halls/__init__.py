"""Halls as geometry: where each seat is, and what is drawn around it. Pure: no database, no clock.

Words: a *plan* is what an organizer writes, as a document (document.py). A *hall* is a plan laid out:
every section with its outline, every row with its courses (hall.py). Units and axes: contracts/halls.py.

    document → checks.checked_hall → Hall      a plan, refused with all its errors or laid out as a whole
    areas → simple.lay_out_areas → Hall        areas of rows without geometry, fanned around a stage

csv_form.py and svg_form.py read and write parts of documents in other forms. Positions (seat ids) are
given by catalog.domain.plan, in the order of a hall's areas, rows and segments. Called by catalog's use
cases only.
"""
