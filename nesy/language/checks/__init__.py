"""Checks over a whole draft: each file is one check and gives all of its diagnostics."""
