"""Routes of the transaction service: single-shot commits and long-lived transactions."""
