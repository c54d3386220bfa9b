"""The scenes that ship with the sandbox, and the code that generates them."""
