"""Renderings of reports for people and tools: tables, Markdown, csv, JUnit. Needs neither torch nor numpy."""
