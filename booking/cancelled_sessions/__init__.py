"""Cancelled sessions: closed at once, then everybody is refunded in full by the worker.

A worker that dies at any point resumes where it was. Owns the table session_cancellations.
"""
