"""What instructions cost: actions, and prices of them."""
