"""Our own tables: what declares them, what they hold, and what guards them."""
