"""The hand model: MANO files, the generic hand, joint orders, sides and rotation conventions."""
