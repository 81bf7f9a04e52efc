"""Objectives and the solver that turn a human hand into robot joints."""
