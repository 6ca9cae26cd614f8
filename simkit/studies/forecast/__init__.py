"""The coming weeks beside the last ones: what `simkit forecast --picture` draws."""

from simkit.studies.forecast import pictures

__all__ = ["pictures"]
