"""What stands in for Centrifugo, or speaks about it. No Flask in it."""
