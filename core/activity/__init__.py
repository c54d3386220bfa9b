"""From audit records to where guards are to look, and to who did it."""
