"""LEARN: what training runs and recorded episodes say about rewards."""
