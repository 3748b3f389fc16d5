"""Who is let in: client addresses, rate limits, admission, revoked logins, and limits on unread
answers."""
