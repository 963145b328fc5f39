"""A source and a target that are files, to run a plug-in of yours against. Both have type `kit`."""
