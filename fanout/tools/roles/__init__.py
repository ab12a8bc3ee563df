"""Roles as documents: trust, least-privilege permissions, templates."""
