"""The sale as a discrete-event simulation: seeded, deterministic, bounded in time.

People who are in the same state at the same instant are one group, so two million people cost seconds and
not hours; with groups of one it is a simulation of single customers, and its queues are held to the known
answers of M/M/1 and M/D/1. `kernel` knows queues, `sale` knows Stampede.
"""
