"""From samples to features: the loop, the cache it asks first, the engines that run networks."""
