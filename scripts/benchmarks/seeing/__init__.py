"""Scenes composed of real backgrounds and real cut-outs, taken at run time from a folder of footage.

The simulated corner is drawn; what is drawn may suit a detector in ways that nobody notices. Here the street, the
people and the cars were filmed, and only where they walk, the light and the weather are computed, in linear light.
Nothing is committed: without the footage there are no such scenes. Two halves, "tune" and "held", share neither a
background nor a cut-out: what is improved on one is checked on the other.
"""
