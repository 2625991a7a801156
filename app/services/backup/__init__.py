"""Backups: made, verified, restored, and tried out by the clock."""
