"""The rule language: text to a checked core program.

load_program, parse_program, check_program, check_text     files and texts to core
function                                                   makes a Python function callable in rules
parse_query, parse_value                                   a query about a program; a constant
parse                                                      text to syntax tree, for tools
"""

from nesy.language.parse import parse
from nesy.language.program import (
    Checked,
    Functions,
    check_program,
    check_text,
    load_program,
    parse_program,
    parse_query,
    parse_value,
)
from nesy.language.python_functions import PythonFunction, function

__all__ = [
    "Checked",
    "Functions",
    "PythonFunction",
    "check_program",
    "check_text",
    "function",
    "load_program",
    "parse",
    "parse_program",
    "parse_query",
    "parse_value",
]
