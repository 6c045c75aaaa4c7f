"""Drawings of predictions and targets."""
