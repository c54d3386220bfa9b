"""The channels besides Teams: each takes rows of the outbox and answers whether it took them."""
