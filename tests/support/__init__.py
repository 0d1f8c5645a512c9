"""What the system tests stand on: a real Postgres, real workers, and a real place to push to."""
