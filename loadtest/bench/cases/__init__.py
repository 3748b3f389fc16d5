"""What the bench measures: each case prepares its traffic; `every` lists them all."""
