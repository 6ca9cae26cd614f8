"""Who asks for a workspace, and when: claims replayed or drawn, and named streams of chance."""

from simkit.demand.claims import Claims, draw, hour_of_week

__all__ = ["Claims", "draw", "hour_of_week"]
