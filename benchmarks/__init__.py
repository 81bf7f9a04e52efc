"""Every figure that the project claims, as a command that prints a table and writes JSON."""
