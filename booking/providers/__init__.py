"""Payment providers behind one protocol. A new one is one module of this package; see registry.py."""
