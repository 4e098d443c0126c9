"""What crosses the network: messages, their encoding, problems, and the one table of endpoints.

Server routes, client stubs and the OpenAPI document are all made from that table. Nothing here opens
a connection.
"""
