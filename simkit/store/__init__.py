"""Runs in DuckDB: written whole or not at all, and asked questions, each of which is one SQL file."""

from simkit.store.asking import ask, refused
from simkit.store.columns import Columns, Storable
from simkit.store.question import questions
from simkit.store.writing import save

__all__ = ["Columns", "Storable", "ask", "questions", "refused", "save"]
