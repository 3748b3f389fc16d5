"""Tickets as QR pictures, PDF pages and calendar entries."""
