"""The story of a bank: its data, what writes to it, and the comparison of source and warehouse."""
