"""The deployable package: the app's files, its dependencies for the platform it runs on, as a zip
with its bill of materials.

Needs no more than Python 3.12 and pip, because azd runs it on the machine of whoever deploys.
"""
