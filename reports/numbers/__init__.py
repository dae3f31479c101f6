"""What the scores say: estimates, intervals, differences, and what a reader must know before believing them."""
