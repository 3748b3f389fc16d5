"""The wall: one picture of the whole platform a second, for whoever watches a sale.

    machines → digests in Redis → collecting.py in one process → frames in Redis → feed.py in each → viewers

rates.py and rings.py are arithmetic. seats.py counts the seats of the sessions on sale by area. Nothing here
decides anything: losing it, or Redis with it, loses a picture. The routes are booking's, since seats and
sessions are; the numbers come from everybody (contracts.wall, runtime.wall).
"""
