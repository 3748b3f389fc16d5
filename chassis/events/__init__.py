"""Events, from a transaction to their subscribers: envelope, outbox and relay, brokers, inbox, archive.

At least once, in order by subject. A service writes its outbox in the transaction of the effect. The
relay publishes in commit order. A consumer's inbox applies each event once, or sets it aside as a dead
letter. Brokers: in memory (one machine) and NATS JetStream (events/nats).
"""
