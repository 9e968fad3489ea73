"""The node side: the job runner and one module for each pipeline. Nothing here knows of XNAT."""
