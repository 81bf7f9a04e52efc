"""A task small enough to be learned by heart: does everything fit together?"""
