"""Link discovery: the links of pages, sitemaps and feeds."""
