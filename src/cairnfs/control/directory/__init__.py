"""Routes of the directory service: names, versions, listings, and where the chunks of a file lie."""
