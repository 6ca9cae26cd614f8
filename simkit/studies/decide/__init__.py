"""What to set, what it buys and how sure that is: what `notebooks/05-decide.ipynb` draws and says."""

from simkit.studies.decide import pictures, sentences, tables, trials

__all__ = ["pictures", "sentences", "tables", "trials"]
