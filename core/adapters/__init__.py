"""The only code that does I/O: Microsoft Graph, Exchange, Table Storage, Teams."""
