"""The HTTP door: files at plain URLs, for curl, browsers and whatever speaks HTTP.

    GET, HEAD, PUT, DELETE /files/{path}

`door` takes a request in and sees that it is answered; `asking` reads it, `reading` and `writing`
answer it, the latter under `locks`; `ranges` and `conditions` are HTTP's own rules, pure; `clients`
keeps a client for each caller; `routing` lets the door inside the control process reach its own control
plane directly.
"""
