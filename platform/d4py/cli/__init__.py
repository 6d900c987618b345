# SPDX-License-Identifier: Apache-2.0
"""The command line: one file a command, which says what it takes, what it calls and what it prints.

A command's module has `ABOUT`, `options(parser)` and `call(args)`, which returns the exit code. Only the module of the command that was given is
imported, and tables and progress import what draws them when they are drawn: start-up time is a promise.
"""
