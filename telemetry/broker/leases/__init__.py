"""The transport that acknowledges: kombu's tables, with messages that are held, settled and swept.

From the top down: `transport` and `channel` speak kombu's language, `holding` keeps the books of
this process, `seat` shows others that it lives, `sweeper` gives away what vanished processes held,
`poll` and `database` speak to PostgreSQL.
"""
