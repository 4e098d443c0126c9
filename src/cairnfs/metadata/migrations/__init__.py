"""Numbered steps from one version of the schema to the next, each run once and in order.

A step that was published is never edited.
"""
