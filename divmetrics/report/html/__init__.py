"""Pages for a browser: one self-contained file, or a folder. Templates, style and script are in `assets/`."""
