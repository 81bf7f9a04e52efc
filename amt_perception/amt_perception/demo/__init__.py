"""The demo: one command from a video to a moving robot, and what a person looks at afterwards."""
