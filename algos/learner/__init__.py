"""The one update of all methods: networks built, rows sampled, steps made, on a CPU or replayed on CUDA."""
