"""What pages, sitemaps and feeds link to."""
