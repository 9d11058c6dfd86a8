"""Tools for people who write rules: the language server and the interactive prompt."""
