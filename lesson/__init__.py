"""What a student needs beside the pages: a check of one's own work."""
