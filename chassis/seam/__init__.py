"""Calls from one service to another: in this process, or over HTTP to several hosts.

The request id and the deadline travel with the call. A host that fails gets no calls for a while; callers
get Unavailable.
"""
