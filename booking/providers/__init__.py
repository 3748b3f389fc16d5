"""Payment providers behind one protocol. To add one, add a module to this package (registry.py)."""
