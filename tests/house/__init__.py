"""Guards of the ten rules of the project; test_rules.py says which guard belongs to which rule."""
