"""What every package needs of a disk. Below all others: the standard library, and numpy for arrays.

trouble  errors of the system that are no damage to a file
lock     locks on files, where the file system has them
reading  files opened for reading: such as end, and no more of them than was meant
replace  files and folders that take the place of earlier ones as a whole
room     whether a disk has room for what others write
shapes   what JSON and TOML files hold, checked down to the elements
arrays   arrays in an npz, each looked at before it is read
sums     checksums
"""
