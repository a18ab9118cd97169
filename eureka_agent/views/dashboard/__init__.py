"""`watch`: an interactive dashboard of runs, live or finished, which only reads them."""
