"""A folder per notebook: its pictures, its sentences and its own analysis; how they look and speak is shared."""
