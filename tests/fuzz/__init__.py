"""Whatever bytes come in, their reader has an answer: targets, a corpus, and what runs them."""
