"""What pages and the API ask the store for."""
