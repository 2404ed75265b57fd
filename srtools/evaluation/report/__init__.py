"""HTML reports of exercise 4, with charts and pictures."""
