"""What a template repository is checked by: find and read templates, lint, explain, snapshot, test and diff them."""
