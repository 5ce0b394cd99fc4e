"""The store on one machine: log, snapshots and archive in files."""
