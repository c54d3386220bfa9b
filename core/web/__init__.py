"""The HTML pages: status, list of cases, one case."""
