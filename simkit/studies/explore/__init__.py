"""A panel of sliders over one preset: what `simkit.explore` shows in JupyterLab."""

from simkit.studies.explore.panel import Panel, explore

__all__ = ["Panel", "explore"]
