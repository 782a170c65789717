"""Text as Go and its libraries read it: JSON, YAML, durations, numbers, regular expressions."""
