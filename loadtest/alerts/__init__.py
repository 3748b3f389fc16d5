"""The alerts that fire when they should, and only then (`make alerts`): causes injected into a cluster that
sells, before a real Prometheus with the rules of deploy/prometheus.

command      the platform, the sale, the causes one after the other
rules        the same rules in less time: durations divided, nothing else changed
prometheus   the program, and what it says is firing
causes       what is done to the platform, and undone
table        what fired after how long, and what fired without a cause
"""
