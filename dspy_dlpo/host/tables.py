"""Arrays and tables of other packages, as the values that they hold."""

from __future__ import annotations

from typing import Any


def table_content(value: Any) -> list[Any] | None:
    """All that an array, a column or a table holds, as plain data; None for anything else.

    Their own text leaves out the middle of what is long. None of these packages is imported: an object of one is there
    only if it was.
    """
    package = type(value).__module__.partition(".")[0]
    name = type(value).__name__
    if package == "numpy":
        return _array(value)
    if package == "pandas" and hasattr(value, "columns"):
        columns = [value.iloc[:, i] for i in range(len(value.columns))]
        return [value.columns, value.index, columns]
    if package == "pandas" and hasattr(value, "dtype") and hasattr(value, "to_numpy"):
        index = value.index if hasattr(value, "index") else None
        return [getattr(value, "name", None), str(value.dtype), _values(value), index]
    if package == "polars" and name in ("DataFrame", "Series"):
        columns = value.get_columns() if name == "DataFrame" else [value]
        return [[each.name, str(each.dtype), each.to_list()] for each in columns]
    if package == "pyarrow" and hasattr(value, "to_pylist"):
        return [str(getattr(value, "schema", getattr(value, "type", ""))), value.to_pylist()]
    if package == "datasets" and hasattr(value, "features") and hasattr(value, "to_dict"):
        return [str(value.features), value.to_dict()]
    if package == "torch" and hasattr(value, "detach"):
        return [str(value.dtype), list(value.shape), value.detach().cpu().reshape(-1).tolist()]
    return None


def _array(value: Any) -> list[Any] | None:
    import numpy as np

    if isinstance(value, np.ma.MaskedArray):
        return [np.ma.getdata(value), np.ma.getmaskarray(value)]
    if not isinstance(value, (np.ndarray, np.generic)):
        return None
    array = np.asarray(value)
    content = array.tolist() if array.dtype.hasobject else np.ascontiguousarray(array).tobytes()
    return [str(array.dtype), list(array.shape), content]


def _values(column: Any) -> Any:
    """The values of a column or index of pandas: an array of numbers where it holds nothing but such."""
    array = column.to_numpy()
    return column.tolist() if array.dtype.hasobject or str(column.dtype) != str(array.dtype) else array
