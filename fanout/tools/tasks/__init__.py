"""Tasks that need more of fanout than the author's face: those that know the roles that fanout writes."""
