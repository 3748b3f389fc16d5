"""Payment providers behind one protocol. A new one is one module, and its line in registry.py."""
