"""The known URLs of a crawl, in an SQLite file."""
