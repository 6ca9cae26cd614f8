"""One preset's pool: why it had a bad day."""
