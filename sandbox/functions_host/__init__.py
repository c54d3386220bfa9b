"""A local Azure Functions host on Microsoft's production Python worker."""
