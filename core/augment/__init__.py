"""Edited sets of pictures for training other models: what is drawn, what passes, and what every file says of itself."""
