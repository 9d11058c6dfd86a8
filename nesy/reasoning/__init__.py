from nesy.reasoning.readings.budget import Budget as Budget
from nesy.reasoning.readings.exact import Reading as Reading
from nesy.reasoning.readings.exact import exact as exact
from nesy.reasoning.readings.probabilities import Probabilities as Probabilities
from nesy.reasoning.readings.proof import Proof as Proof
