"""A user's table as an encoded matrix, and back."""
