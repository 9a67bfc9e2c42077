"""Semantic segmentation with recurrent context.

An image goes through an encoder, a context module looks along its rows and columns, a decoder paints the mask.
Importing this package defines names and does nothing else.
"""

__version__ = "0.1.0"
