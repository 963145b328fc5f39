"""The Milvus target. insert, bulk: a route each. ensure, ddl: collections as a plan wants them.
access: privileges. built: how far an index is. refuse: values that a target would change.
"""
