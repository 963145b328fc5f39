"""The client of Milvus 2.x that source and sinks share. Takes no decision of a run.

connect: clients, embedded databases, logins, TLS. errors: what a server's answers mean. dialect:
what each version can. schema: collections to and from pymilvus. look: what is there. encode,
decode: Arrow columns to and from protobuf columns. pages: reading rows.
"""
