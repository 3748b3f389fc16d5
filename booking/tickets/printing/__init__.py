"""Tickets on paper and in calendars: what a buyer keeps."""
