"""What can be asked about the chosen place, each in a file: `show(view)` draws one section."""
