"""Doors for other protocols. Each translates to the client's filesystem face and decides nothing."""
