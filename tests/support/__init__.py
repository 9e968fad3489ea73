"""Helpers that several test folders share. Nothing here is a test."""
