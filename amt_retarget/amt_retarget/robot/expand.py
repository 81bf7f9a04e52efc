"""Expand the xacro into the four committed URDF files: `python -m amt_retarget.robot.expand`."""

from __future__ import annotations

from itertools import product

from amt_retarget.errors import RetargetError
from amt_retarget.robot.description import ARMS, HANDS, check_names, urdf_folder, urdf_path


def expand(arm: str, hand: str) -> str:
    """The URDF text of this arm with this hand, fresh from urdf/robot.urdf.xacro."""
    check_names(arm, hand)
    try:
        import xacro
    except ImportError as error:
        raise RetargetError(
            "expanding the robot description needs xacro: pip install xacro"
        ) from error

    source = urdf_folder() / "robot.urdf.xacro"
    document = xacro.process_file(str(source), mappings={"arm": arm, "hand": hand})
    # xacro's banner names this machine's folders; the comments of the sources stay in the sources.
    for node in [n for n in document.childNodes if n.nodeType == n.COMMENT_NODE]:
        document.removeChild(node)
    return str(document.toprettyxml(indent="  "))


def main() -> None:
    """Write the expanded URDF files beside the xacro."""
    for arm, hand in product(ARMS, HANDS):
        path = urdf_path(arm, hand)
        path.write_text(expand(arm, hand), encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
