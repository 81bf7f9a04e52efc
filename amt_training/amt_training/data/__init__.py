"""Data sets of hands and objects: one sample type, whatever the layout on disk."""
