"""HTTP for services: the Litestar app, its fast path, bodies, pages, idempotency keys, and OpenAPI.

Routes use it; stores and domains do not. Errors are problem+json (RFC 9457, chassis.problems).
"""
