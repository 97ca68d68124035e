"""URLs, robots.txt and documents as the standards have them; pure, without I/O."""
