"""Z3, wrapped: what it is asked is SMT-LIB text, what it says is plain data, and `unknown` is never a pass.

check_constraints                     can the hard constraints of a program hold together?
certify, Certifier, claim_of          does a proof's answer follow from the rules and its leaves?
smallest_change                       the fewest, most probable other outcomes after which an answer is another
why_not                               the rules that could have given an answer, the fewest facts that would
never, always, equivalent             properties of rules over all small databases
entails, entailments                  true, false or unknown, where predicates are open
static_warnings                       what a check warns of: rules that add nothing, shortcuts and so on
repair, explain_impossible            conflicts of proposals with constraints; evidence that no world meets
"""

from nesy.solver.certificate import Certificate, Certifier, Claim, certify, claim_of
from nesy.solver.change import smallest_change
from nesy.solver.conflicts import explain_impossible, repair
from nesy.solver.constraints import Consistency, Demand, check_constraints
from nesy.solver.inferences import Inference
from nesy.solver.missing import why_not
from nesy.solver.open_world import Entailment, entailments, entails
from nesy.solver.properties import Property, always, equivalent, never
from nesy.solver.static_checks import static_warnings

__all__ = [
    "Certificate",
    "Certifier",
    "Claim",
    "Consistency",
    "Demand",
    "Entailment",
    "Inference",
    "Property",
    "always",
    "certify",
    "check_constraints",
    "claim_of",
    "entailments",
    "entails",
    "equivalent",
    "explain_impossible",
    "never",
    "repair",
    "smallest_change",
    "static_warnings",
    "why_not",
]
