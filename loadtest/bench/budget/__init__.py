"""The budget of an order: what each stage of its way costs, compared with docs/order-way.md.

`sampler` runs inside the web processes and writes down where their CPU goes; `samples` reads that;
`stages` says which code belongs to which stage; `page` reads the budgets; `command` measures and compares.
"""
