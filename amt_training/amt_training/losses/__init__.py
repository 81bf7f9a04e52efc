"""What training minimises. `total.AmtLoss` puts the terms of the other files together."""
