"""What happened beside its replays, and beside another schedule: what `notebooks/06-replay.ipynb` draws and says."""

from simkit.studies.replay import pictures, sentences, setting, tables

__all__ = ["pictures", "sentences", "setting", "tables"]
