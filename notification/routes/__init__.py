"""Notification's routes."""
