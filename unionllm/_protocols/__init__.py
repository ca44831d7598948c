"""Dialects that more than one vendor speaks, and the contract that every adapter fulfils."""
