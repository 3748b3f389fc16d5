"""`stampede up --topology cluster`: several machines on one, for seeing what a failover does.

Two processes of each service, two gateways behind one port, two workers (processes); a PostgreSQL pair,
Valkey and NATS clusters (runtime.embedded.cluster). The running platform listens at a socket (control),
where `stampede failover`, `restart` and `status` ask it for what only the processes' parent can do
(failing, parts). Called by the command line; it calls the rest of runtime.
"""
