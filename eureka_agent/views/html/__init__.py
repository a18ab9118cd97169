"""`report RUN`: everything worth showing of a run in one HTML file that needs no network."""
