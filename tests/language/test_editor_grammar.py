"""The colours of an editor know every word of the grammar."""

from __future__ import annotations

import json
import re
from pathlib import Path

from nesy.language.parse import parser

FOLDER = Path(__file__).parents[2] / "editors" / "vscode"
GRAMMAR = json.loads((FOLDER / "syntaxes" / "nesy.tmLanguage.json").read_text(encoding="utf-8"))
MATCHES = {pattern["name"]: re.compile(pattern["match"]) for pattern in GRAMMAR["patterns"] if "name" in pattern}


def test_every_directive_and_aggregate_of_the_language_is_coloured():
    text = "#include #type #pred #input #neural #open #facts #query #evidence #count #sum #min #max #avg"
    for word in text.split():
        ((found,),) = parser().scanner.scan(word, "nesy").statements
        assert found.type not in ("UNKNOWN", "COMMENT")
        patterns = [name for name, pattern in MATCHES.items() if pattern.fullmatch(word)]
        assert patterns in (["keyword.control.directive.nesy"], ["support.function.aggregate.nesy"])


def test_the_files_of_the_extension_are_there():
    package = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
    for language in package["contributes"]["languages"]:
        assert (FOLDER / language["configuration"]).is_file()
    for grammar in package["contributes"]["grammars"]:
        assert grammar["scopeName"] == GRAMMAR["scopeName"] and (FOLDER / grammar["path"]).is_file()
