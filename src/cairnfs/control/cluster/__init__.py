"""Routes of the cluster: the map, joining and heartbeats of fileservers, status, verification."""
