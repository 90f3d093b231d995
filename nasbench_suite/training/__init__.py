"""Real training: data, networks, recipes and trainers."""
