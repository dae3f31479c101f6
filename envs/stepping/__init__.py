"""Many environments at once: `vector` is what others use, `worker` what runs in its processes."""
