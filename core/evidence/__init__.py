"""The evidence export for auditors."""
