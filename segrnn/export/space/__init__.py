"""The files of a Gradio Space. They run without segrnn, so they import nothing of it."""
