"""The facts about Microsoft's services that code relies on and that are not proven."""
