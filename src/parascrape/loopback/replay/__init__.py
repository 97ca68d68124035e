"""Recorded sites, replayed on loopback."""
