"""Notebooks become reports: a notebook says its findings and cites its run, `render` makes pages of it."""

from simkit.report.notebook import cite, say, say_each

__all__ = ["cite", "say", "say_each"]
