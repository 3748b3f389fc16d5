"""How the seat map of the storefront runs in a browser: frames, weight, time to the first seats.

No platform is needed: a small server gives the storefront's files of any tree a session with a made-up hall.
"""
