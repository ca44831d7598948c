"""Engines of others that can do this library's work. Each needs an extra of its own name."""
