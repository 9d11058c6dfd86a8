"""The rule language: text to a checked core program.

load_program, parse_program, check_program, check_text     files and texts to core
parse_query, parse_value                                   a query about a program; a constant
parse                                                      text to syntax tree, for tools
"""

from nesy.language.parse import parse
from nesy.language.program import (
    Checked,
    check_program,
    check_text,
    load_program,
    parse_program,
    parse_query,
    parse_value,
)

__all__ = [
    "Checked",
    "check_program",
    "check_text",
    "load_program",
    "parse",
    "parse_program",
    "parse_query",
    "parse_value",
]
