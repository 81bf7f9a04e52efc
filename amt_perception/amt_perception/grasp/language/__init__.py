"""Encoders of instructions: a small one trained from scratch, and Qwen2.5-VL."""
