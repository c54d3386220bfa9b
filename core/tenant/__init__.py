"""What can be read of a Microsoft 365 tenant and everything that can be changed in it."""
