"""What services speak HTTP with: the Litestar app, its fast path, bodies, pages, idempotency keys, OpenAPI.

Routes use it; stores and domains do not. Errors are problem+json (RFC 9457, chassis.problems).
"""
