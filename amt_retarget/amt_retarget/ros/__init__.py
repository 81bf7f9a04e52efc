"""What the nodes of both packages share: topic names, QoS, process lifetime, life cycle, transforms."""
