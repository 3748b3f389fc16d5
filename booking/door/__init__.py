"""The door: one person in once, by network or without.

scanning.py judges one code, offline.py a batch that was scanned without a network (the first scan wins),
lists.py gives counts and the signed list, staff.py says who may stand there. A scan names its session or is
judged by the hours of the door (ADR 31).

Owns the tables check_ins, door_staff and house_staff.
"""
