"""The way from one service to another: in this process, or over HTTP to several hosts.

The request id and the deadline go along. A host that fails gets no calls for a while; callers see
Unavailable.
"""
