"""The training loop and what it needs. `trainer.Trainer` puts the other files together."""
