"""A scenario and a seed become a run: givens, the two engines, and the rows and numbers that come out."""
