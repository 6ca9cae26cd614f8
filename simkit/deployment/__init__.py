"""A deployment of Coder as it is: its tables become those of a run named `history`."""
