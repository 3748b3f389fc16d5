"""Mails and SMS: planned in the event's transaction, claimed in lanes, drawn, sent by channels.

A message is sent at least once; its Message-ID stays the same. Urgent ones, ordinary ones and the many of a
cancelled session have lanes of their own (sql/messages.sql).
"""
