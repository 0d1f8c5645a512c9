"""Everything that can go wrong goes wrong, at random, and afterwards the books are right."""
