"""What to ship: the same people meet other settings, and the answers are compared."""
