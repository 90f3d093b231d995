"""Predictors that stand in for tables: what they learn from, how they are judged, and how they answer."""
