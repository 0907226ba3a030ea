"""Nuke gizmos generated from the node declaration; they arrive with the Nuke integration."""
