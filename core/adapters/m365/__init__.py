"""Implements the `Tenant` port on Microsoft Graph and Exchange Online, a module a resource."""
