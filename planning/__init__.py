"""The planner: from the people and seats of a sale and the costs that the bench measured, the machines
that it needs, the walls that it meets, and a simulation of how it goes.

Promises: the same question and the same costs give the same answer. Owns: the file of costs. Touches no
server: `loadtest` measures, and compares what was predicted here with a real sale. See docs/planning.md.
"""
