"""The project's own faces: CC0 head asset, renderer, labelled data sets and shots with known truth."""
