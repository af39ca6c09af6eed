"""Guards of the ten rules of the house; the table in test_rules.py says which guard belongs to which rule."""
