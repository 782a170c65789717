"""How Centrifugo reads a reply: Go's JSON, Go's types, the verdict and its warnings."""
