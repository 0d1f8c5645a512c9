"""From the text of a configuration file to keys that components read, each with its line."""
