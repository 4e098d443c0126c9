"""Routes of the auth service: sign up, log in, refresh, log out, who am I, join tokens."""
