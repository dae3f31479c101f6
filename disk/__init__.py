"""What every package needs of a disk. Below all others: the standard library, and numpy for arrays.

reading  files opened for reading: such as end, and no more of them than was meant
replace  files and folders that take the place of earlier ones as a whole
shapes   what JSON and TOML files hold, checked down to the elements
arrays   arrays in an npz, each looked at before it is read
sums     checksums
"""
