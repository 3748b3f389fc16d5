"""Pure functions of the catalog: numbering seats, drawing halls, reading searches, folding text."""
