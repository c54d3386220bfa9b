"""How much the tests notice: the program is changed in small ways, and each time they must fail."""
