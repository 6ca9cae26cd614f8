"""What a cron range really does: what `notebooks/03-cron-ranges.ipynb` reads side by side, draws and says."""

from simkit.studies.cron_ranges import pictures, readings, sentences

__all__ = ["pictures", "readings", "sentences"]
