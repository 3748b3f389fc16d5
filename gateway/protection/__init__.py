"""Who is let through: addresses, rate limits, admission, ended logins, answers that nobody takes."""
