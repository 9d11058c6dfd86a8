"""What a person looks at after training: a page of figures, curves, the run's card."""
