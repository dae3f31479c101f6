"""What every package needs of a disk. Stands on the standard library alone, below all others.

sums  checksums: of a file or its beginning, of what JSON holds
"""
