"""The version of simkit: part of every run's digest."""

__version__ = "0.1.0"
