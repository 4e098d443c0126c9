"""The two seams to the network: transport for clients, serving for servers, and TLS for both.

The only room that imports httptools, and in ``serving`` the only importer of uvicorn.
"""
