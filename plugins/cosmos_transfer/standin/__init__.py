"""Plays NVIDIA's Cosmos-Transfer2.5 on a machine without a GPU; standard library only, PyAV where there is one.

It imports nothing from outside this folder, so that the folder can be zipped and run anywhere on its own.
"""
