"""What the catalog knows without asking anybody: numbering, drawing, checking, folding."""
