"""Shots: what is edited on which plates, the show file that says so, and what is found out about a shot before it
is rendered. ``shot.py`` holds the data; read it first."""
