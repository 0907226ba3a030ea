"""Lineament in Blender: the Attribute Edit node of the compositor, for 4.5 and 5.0."""
