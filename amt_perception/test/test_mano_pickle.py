"""MANO pickles: the official form is read without chumpy, everything else is refused unrun.

Nobody here has the official files, so the tests write pickles of the same form: Python 2 strings,
chumpy objects under chumpy's own names, a scipy csc matrix, numpy under its old module names.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import pickle
import pickletools
import struct
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from amt_perception.errors import AmtError
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.hand.mano_files import load_hand_model
from amt_perception.hand.mano_pickle import read_mano_pickle
from amt_perception.hand.model_data import ARRAY_SHAPES


class Python2Pickler(pickle._Pickler):
    """Protocol 2 with byte strings as Python 2 wrote them, for str and bytes alike."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_string(self, value: str | bytes) -> None:
        raw = value if isinstance(value, bytes) else value.encode("latin1")
        self.write(pickle.BINSTRING + struct.pack("<i", len(raw)) + raw)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_string


def python2_pickle(value: Any) -> bytes:
    file = io.BytesIO()
    with chumpy_importable():
        Python2Pickler(file, protocol=2).dump(value)
    raw = file.getvalue()
    for new, old in (
        (b"numpy._core.multiarray", b"numpy.core.multiarray"),
        (b"scipy.sparse._csc", b"scipy.sparse.csc"),
    ):
        raw = raw.replace(b"c" + new + b"\n", b"c" + old + b"\n")
    return raw


Ch = type("Ch", (), {"__module__": "chumpy.ch"})
Select = type("Select", (), {"__module__": "chumpy.reordering"})


@contextlib.contextmanager
def chumpy_importable() -> Iterator[None]:
    """Lets the two classes be pickled under chumpy's names; reading must not need them."""
    modules = {
        name: types.ModuleType(name) for name in ("chumpy", Ch.__module__, Select.__module__)
    }
    for cls in (Ch, Select):
        setattr(modules[cls.__module__], cls.__name__, cls)
    sys.modules.update(modules)
    yield
    for name in modules:
        del sys.modules[name]


def python3_pickle(value: Any, protocol: int | None = None) -> bytes:
    with chumpy_importable():
        return pickle.dumps(value, protocol)


def official_contents(side: Side) -> dict[str, Any]:
    hand = generic_hand(side)
    rng = np.random.default_rng(0)
    all_shapes = np.concatenate([hand.shapedirs, rng.normal(size=(778, 3, 10))], axis=2)
    array = Ch()
    array.__dict__.update(x=all_shapes, _dirty_vars={"x"}, _itr=None, _depends_on_deps={})
    select = Select()
    chosen = np.arange(all_shapes.size).reshape(all_shapes.shape)[..., :10].ravel()
    select.__dict__.update(
        a=array, idxs=chosen, preferred_shape=(778, 3, 10), _dirty_vars={"a"}, _itr=None
    )
    tree = np.array([hand.parents % 2**32, np.arange(16)])
    return {
        "v_template": hand.v_template,
        "f": hand.faces.astype(np.uint32),
        "shapedirs": select,
        "posedirs": rng.normal(scale=1e-3, size=(778, 3, 135)),
        "weights": hand.weights,
        "J_regressor": scipy.sparse.csc_matrix(hand.J_regressor),
        "J": hand.J_regressor @ hand.v_template,
        "kintree_table": tree,
        "hands_components": hand.hands_components,
        "hands_mean": hand.hands_mean,
        "hands_coeffs": rng.normal(size=(1554, 45)),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for side in (Side.RIGHT, Side.LEFT):
        path = tmp_path / f"MANO_{side.name}.pkl"
        path.write_bytes(python2_pickle(official_contents(side)))
    return tmp_path


@pytest.mark.parametrize("side", [Side.RIGHT, Side.LEFT])
def test_reads_the_official_form(folder: Path, side: Side) -> None:
    data = load_hand_model(side, folder)
    hand = generic_hand(side)
    for name in set(ARRAY_SHAPES) - {"posedirs"}:
        np.testing.assert_array_equal(getattr(data, name), getattr(hand, name), err_msg=name)
    assert data.posedirs.std() == pytest.approx(1e-3, rel=0.01)
    assert data.source == f"MANO MANO_{side.name}.pkl"


def test_form_is_that_of_python_2(folder: Path) -> None:
    """The simulation itself: old names, no unicode strings."""
    names = {arg for op, arg, _ in pickletools.genops(
        (folder / "MANO_RIGHT.pkl").read_bytes()) if op.name == "GLOBAL"}  # fmt: skip
    assert {"chumpy.ch Ch", "chumpy.reordering Select", "scipy.sparse.csc csc_matrix",
            "numpy.core.multiarray _reconstruct", "__builtin__ set"} <= names  # fmt: skip
    assert not any("_codecs" in name for name in names)


def test_python_3_pickle_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(python3_pickle(official_contents(Side.RIGHT)))
    assert read_mano_pickle(path, Side.RIGHT).side == Side.RIGHT


def test_conversion_is_kept_until_the_pickle_changes(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    before = sorted(p.name for p in folder.iterdir())
    first = load_hand_model(Side.RIGHT, folder, cache)
    (kept,) = cache.iterdir()
    stamp = kept.stat().st_mtime_ns
    assert load_hand_model(Side.RIGHT, folder, cache).fingerprint == first.fingerprint
    assert kept.stat().st_mtime_ns == stamp
    assert sorted(p.name for p in folder.iterdir() if p != cache) == before

    contents = official_contents(Side.RIGHT)
    contents["v_template"] = contents["v_template"] * 1.1
    (folder / "MANO_RIGHT.pkl").write_bytes(python2_pickle(contents))
    changed = load_hand_model(Side.RIGHT, folder, cache)
    np.testing.assert_allclose(changed.v_template, first.v_template * 1.1)
    assert len(list(cache.iterdir())) == 2


class Payload:
    """Pickles as a call of `function`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("attack", ["system", "eval", "getattr", "import", "load", "nested"])
def test_malicious_pickle_runs_nothing(tmp_path: Path, attack: str, protocol: int) -> None:
    mark = tmp_path / "mark"
    payload = {
        "system": Payload(os.system, f"touch {mark}"),
        "eval": Payload(builtins.eval, f"open({str(mark)!r}, 'w')"),
        "getattr": Payload(builtins.getattr, np.ndarray, "__class__"),
        "import": Payload(builtins.__import__, "os"),
        "load": Payload(np.load, str(mark), None, True),
        "nested": [np.zeros(3), {"x": Payload(os.mkdir, str(mark))}],
    }[attack]
    contents = official_contents(Side.RIGHT) | {"v_template": payload}
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(python3_pickle(contents, protocol))
    with pytest.raises(AmtError, match="which is not data; nothing was run"):
        read_mano_pickle(path, Side.RIGHT)
    assert not mark.exists()


@pytest.mark.parametrize(
    "opcodes",
    [
        b"cnumpy\nndarray.__class__\n.",  # a dotted name
        b"cposix\nsystem\n(S'true'\ntR.",
        b"(S'true'\nios\nsystem\n.",  # INST
        b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93.",  # STACK_GLOBAL
        b"\x82\x01.",  # an extension code
        b"Pname\n.",  # a persistent id
        b"ccopy_reg\n_reconstructor\n(cnumpy\nndarray\nc__builtin__\nobject\nNtR.",
        b"not a pickle at all",
        b"",
    ],
)
def test_hand_written_opcodes_are_refused(tmp_path: Path, opcodes: bytes) -> None:
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(opcodes)
    with pytest.raises(AmtError, match=r"MANO_RIGHT\.pkl .*mano\.is\.tue\.mpg\.de"):
        read_mano_pickle(path, Side.RIGHT)


def test_user_mistakes_get_one_clear_sentence(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(AmtError, match=r"register at mano\.is\.tue\.mpg\.de.*MANO_RIGHT\.pkl"):
        load_hand_model(Side.RIGHT, tmp_path / "nowhere")
    (folder / "MANO_LEFT.pkl").write_bytes((folder / "MANO_RIGHT.pkl").read_bytes())
    with pytest.raises(AmtError, match="holds a right hand but a left hand was asked for"):
        load_hand_model(Side.LEFT, folder)
    half = (folder / "MANO_RIGHT.pkl").read_bytes()[:100_000]
    (folder / "MANO_RIGHT.pkl").write_bytes(half)
    with pytest.raises(AmtError, match="damaged"):
        load_hand_model(Side.RIGHT, folder)
    (folder / "MANO_RIGHT.pkl").write_bytes(pickle.dumps({"v_template": np.zeros((6890, 3))}))
    with pytest.raises(AmtError, match="it lacks shapedirs"):
        load_hand_model(Side.RIGHT, folder)


def test_wrong_shapes_are_named(tmp_path: Path) -> None:
    contents = official_contents(Side.RIGHT) | {"weights": np.zeros((778, 24))}
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(python2_pickle(contents))
    with pytest.raises(AmtError, match=r"weights has shape \(778, 24\) instead of \(778, 16\)"):
        read_mano_pickle(path, Side.RIGHT)


def test_no_folder_gives_the_generic_hand() -> None:
    assert load_hand_model(Side.LEFT) is generic_hand(Side.LEFT)
