"""Memorization Explorer: watch a network learn, then memorize; see which images it had to memorize."""

__version__ = "0.1.0"
