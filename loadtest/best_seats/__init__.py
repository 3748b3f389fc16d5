"""How good the best seats are: against the best that there are, against other scripts, and against buyers
who take the first seats they see (docs/adr/0092). `python -m loadtest.best_seats --against FOLDER` prints
the table of docs/benchmarks.md.

Five halls (halls.py) are sold and filled the same way for each (measuring.py), with the scripts themselves
in a Valkey of their own.
"""
