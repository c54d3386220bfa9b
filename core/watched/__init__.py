"""Collections of the tenant that are compared with what they were at the last look."""
