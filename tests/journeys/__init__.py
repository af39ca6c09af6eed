"""Complete journeys through the product, with people in a real browser and independent clients."""
