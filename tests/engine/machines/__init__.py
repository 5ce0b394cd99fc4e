"""The engine against plain models of what it should decide, whatever comes and in any order."""
