"""Test programs of other Datalog and probabilistic engines, translated (syntax only) and run here."""
