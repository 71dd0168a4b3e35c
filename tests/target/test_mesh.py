from __future__ import annotations

from cimc.target import load_target
from cimc.target.mesh import Mesh, flits

MESH = Mesh.of(load_target("puma"))


def test_pumas_mesh() -> None:
    # 138 tiles, 4 a router: 35 routers on a square of 6 x 6.
    assert (MESH.tiles, MESH.side) == (138, 6)
    assert MESH.router(3) == (0, 0)
    assert MESH.router(4) == (1, 0)
    assert MESH.router(137) == (4, 5)


def test_routes_go_along_x_and_then_y() -> None:
    names = [link.name for link in MESH.route(0, 4 * 7)]
    assert names == [
        "tile 0 to router 0/0,0",
        "router 0/0,0 to router 0/1,0",
        "router 0/1,0 to router 0/1,1",
        "router 0/1,1 to tile 28",
    ]
    assert MESH.hops(0, 28) == 3
    assert MESH.hops(0, 1) == 1


def test_routes_between_chips_take_their_links() -> None:
    route = MESH.route(5, 138 + 9)
    assert [link.name for link in route if link.off_chip] == ["link out of chip 0", "link into chip 1"]
    # Routers (1, 0) and (0, 0) of chip 0, then (0, 0), (1, 0) and (2, 0) of chip 1.
    assert MESH.hops(5, 138 + 9) == 5


def test_flits() -> None:
    assert [flits(words, 16) for words in (1, 2, 3)] == [1, 1, 2]
