"""Mails and SMS: planned in the event's transaction, claimed in lanes, rendered, sent by channels.

A message is sent at least once; a resend has the same Message-ID. Urgent messages, ordinary ones and those of
cancelled sessions have separate lanes (sql/messages.sql).
"""
