"""Storyboards: a whole video in one picture."""
