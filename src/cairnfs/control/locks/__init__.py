"""Routes of the lock service: sessions with their leases, locks, fences and queues."""
