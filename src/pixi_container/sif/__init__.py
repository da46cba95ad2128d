"""An image as a SIF, the one file that Apptainer starts without converting anything."""
