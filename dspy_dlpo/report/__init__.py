"""What a run found, as a person reads it: a page, a figure, a table; made of records only."""
