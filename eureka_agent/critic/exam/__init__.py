"""The exam: what a program returns on recorded episodes of known quality."""
