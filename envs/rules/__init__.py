"""What a recorded observation says by itself: success, rewards, the way through a maze. Imports no simulator."""
