"""A day on the control plane, row by row: what `notebooks/04-control-plane.ipynb` plays, draws and says."""

from simkit.studies.control_plane import answers, day, interruption, pictures, sentences, steps

__all__ = ["answers", "day", "interruption", "pictures", "sentences", "steps"]
