"""The probe against real software: each class on a program that is of it, each fix applied, chains with one bad hop."""
