"""Datasets, from any source into the Minari store and out of it.

    files         new files: whole or absent; what a compressed one may announce
    minari_store  what lies in the store; `minari_write` is how datasets enter it
    episodes      the checks and the transitions; `packed` is a quick copy after them
    stored        datasets in the store by id: write, read, describe
    imports       files that people bring, in one of `formats`; `d4rl_names` and `ogbench_names` know published ones,
                  `published` and `downloads` fetch them
    datasets      what others use, by name: load, describe, store
    bundle        datasets carried to another machine

All that is wrong with one is an `envs.errors.DatasetError`.
"""
