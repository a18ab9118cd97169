"""Playing trained policies: their numbers, and films of what they do."""
