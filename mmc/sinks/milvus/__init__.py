"""The Milvus target: what the routes into Milvus share. Each route is a sink beside this package.

dialect: capabilities by version. schema: collections to and from pymilvus. connect: clients,
embedded databases, errors. encode, decode: Arrow columns to and from protobuf columns. refuse:
values a target would change. pages: reading rows back. insert: the insert route.
"""
