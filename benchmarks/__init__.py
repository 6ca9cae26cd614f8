"""How fast simkit is, beside a peer in the same process: `make bench` prints the figures."""
