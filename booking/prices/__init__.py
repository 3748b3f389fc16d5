"""What tickets cost beyond their areas' prices: categories, fees and tax (docs/prices.md, docs/adr/0094,
0095).

choosing.py says which category each ticket of an order is of, before anything is held. charging.py says
what each ticket costs, once its price is known. Both are arithmetic on the session's terms, without I/O;
an order of a session that has neither comes by here only to find that out.
"""
