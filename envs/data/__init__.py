"""Datasets, from any source into the Minari store and out of it.

    datasets      what others use: load, describe, store
    episodes      the checks and the transitions; `adapt` before them, `packed` a quick copy after them
    minari_store  what lies in the store; `minari_write` is how datasets enter it
    imports       files that people bring, in one of `formats`; `d4rl_names` and `downloads` fetch D4RL's
    bundle        datasets carried to another machine

All that is wrong with one is an `envs.errors.DatasetError`.
"""
