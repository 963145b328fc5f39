"""The package that `mmc plugins new` writes: templates beside this, filled with a name."""
