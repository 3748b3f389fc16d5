"""Events from a transaction to whoever subscribes: envelope, outbox and relay, brokers, inbox, archive.

At least once, in order by subject. A service writes its outbox in the transaction of the effect; the relay
publishes in commit order; a consumer's inbox makes each event take effect once, or puts it aside as a dead
letter. Brokers: in memory (one machine) and NATS JetStream (events/nats).
"""
