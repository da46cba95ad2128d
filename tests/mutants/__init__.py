"""Changes of the code in small ways, to see which of them no unit test notices."""
