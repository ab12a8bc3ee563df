"""Where rows go: one file per format."""
