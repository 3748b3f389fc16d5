"""Plans of halls, which venues keep (docs/adr/0090).

A plan is a document (catalog.halls). Every organizer reads and uses the plans of every venue; only the
venue's creator and admins change them. A session takes a copy of the plan as it is laid out at that
moment, so a plan may be changed or deleted at any time. Whoever replaces a plan names the revision that they
saw.

    documents.py   documents, checked and laid out in the lane of drafts
    checking.py    the process that checks large ones
    managing.py    create, read, replace, delete, preview; called by routes/plans.py
    store.py, sql/

Owns the table plans. Sessions take copies through documents.Documents.copy.
"""
