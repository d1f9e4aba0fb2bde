import inspect

from common import errors


def test_the_tree_in_the_docstring_is_the_tree():
    kinds = dict(inspect.getmembers(errors, inspect.isclass))
    assert all(issubclass(kind, errors.AtelierError) for kind in kinds.values())
    assert [name for name in kinds if name not in errors.__doc__] == []
    assert issubclass(errors.QueueFull, errors.BadRequest)
