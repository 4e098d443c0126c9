"""The client library: one filesystem face that every door uses, and what it needs below.

Asynchronous throughout, with one synchronous portal over it.
"""
