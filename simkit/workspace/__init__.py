"""One workspace: the rules of its life, when they act on it, and why they did in a run."""
