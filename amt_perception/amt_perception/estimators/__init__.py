"""From an image to hands, objects and contacts, behind one interface."""
