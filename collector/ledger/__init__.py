"""Where numbers meet: per source and life the largest reading, per series their exact sum."""
