"""The Hydra configuration; in an installed segrnn this folder is the package ``segrnn.conf``."""
