"""How many should be warm, and when: what `notebooks/01-capacity.ipynb` draws and says."""

from simkit.studies.capacity import pictures, sentences

__all__ = ["pictures", "sentences"]
