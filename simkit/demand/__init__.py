"""Who asks for a workspace, and when: claims replayed or drawn, and named streams of chance."""

from simkit.demand.claims import Claims, Draws, hour_of_week, scaled

__all__ = ["Claims", "Draws", "hour_of_week", "scaled"]
