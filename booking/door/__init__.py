"""The door: a ticket lets one person in once, online or offline.

scanning.py checks one code. offline.py records a batch of offline scans (the earliest scan wins). lists.py
has the counts and the signed list, staff.py the assignments. A scan names its session; without one the
door's hours decide (ADR 31).

Owns the tables check_ins, door_staff and house_staff.
"""
