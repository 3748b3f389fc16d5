"""The cases of the bench. Each prepares its traffic; `every` lists them all."""
