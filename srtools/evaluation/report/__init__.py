"""The results of exercise 4 to look at: HTML pages, their charts and their pictures."""
