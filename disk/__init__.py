"""What every package needs of a disk. Stands on the standard library alone, below all others.

replace  files and folders that take the place of earlier ones as a whole
sums     checksums: of a file or its beginning, of what JSON holds
"""
