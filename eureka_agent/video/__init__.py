"""Playing trained policies, and films of what they do."""
