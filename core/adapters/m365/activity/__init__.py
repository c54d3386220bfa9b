"""The audit logs of Entra and Exchange, as records of one form."""
