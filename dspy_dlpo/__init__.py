"""A DSPy optimizer: textual gradient descent with the seven techniques of DLPO, judged edit by edit."""

import lazy_loader

# What there is stands in `__init__.pyi`; each name is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
