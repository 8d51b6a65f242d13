"""Training core: encoded rows in, a fitted network out."""
