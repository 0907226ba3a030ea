"""Foreign checkpoints become model packages here; nothing stored in a checkpoint is ever executed."""
