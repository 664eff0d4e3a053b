"""How sure a number is: intervals, null bands, and which modes are missing."""
