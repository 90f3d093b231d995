"""Leaderboards: rules in, searches played, statistics and pages out."""
