"""What people and tools read: made from `Report` alone, without torch or numpy."""
