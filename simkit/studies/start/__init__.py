"""Where to look for which answer: what `notebooks/00-start-here.ipynb` says."""

from simkit.studies.start import sentences

__all__ = ["sentences"]
