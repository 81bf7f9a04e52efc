"""What the nodes of both packages share: topics, QoS, lifetime, life cycle, transforms."""
