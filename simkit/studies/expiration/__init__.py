"""What expires, stops and is deleted, and when: what `notebooks/02-expiration.ipynb` draws and says."""

from simkit.studies.expiration import pictures, sentences, tables

__all__ = ["pictures", "sentences", "tables"]
