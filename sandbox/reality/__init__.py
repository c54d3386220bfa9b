"""The contested facts of Microsoft 365, and which side of each a simulated tenant plays."""
