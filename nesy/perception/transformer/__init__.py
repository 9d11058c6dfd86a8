"""A pretrained transformer as an encoder of texts."""
