"""Who is calling: bearer tokens, the keys that verify them, and what a role may do.

Tokens are EdDSA (Ed25519) JWTs that identity signs. Verification is local; keys come from identity's
JWKS and are kept. Every service and the gateway use it; it knows no service.
"""
