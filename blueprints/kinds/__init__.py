"""What each kind of document stands for: how it is now, what it refers to, how it is written."""
