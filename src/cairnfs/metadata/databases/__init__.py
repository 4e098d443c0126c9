"""SQLite and PostgreSQL: how to connect, how the dialects differ, which errors mean "again".

The only room that imports a database driver.
"""
