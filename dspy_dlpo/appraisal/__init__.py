"""Is a metric worth optimizing for? How it agrees with itself and with people, and what else moves it."""
