"""Pitch of sounds with one voice: fundamental frequency over time, and notes."""
