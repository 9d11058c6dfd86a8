"""The rule language: text to a checked core program.

load_program, parse_program, check_program, check_text, parse_query     text and files to core
parse                                                                   text to syntax tree, for tools
"""

from nesy.language.parse import parse
from nesy.language.program import Checked, check_program, check_text, load_program, parse_program, parse_query, parse_value

__all__ = ["Checked", "check_program", "check_text", "load_program", "parse", "parse_program", "parse_query", "parse_value"]
