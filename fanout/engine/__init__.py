"""A generic bounded fan-out that knows no AWS."""
