"""Thin host adapters; they arrive with the Blender and Nuke integrations."""
