"""The families of a page, a file for each way in which one is written."""
