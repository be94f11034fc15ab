"""How fast alertbot is, and how small: figures against other things that are measured in the same run on the same events."""
