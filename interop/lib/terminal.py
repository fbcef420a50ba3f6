#!/usr/bin/env python3
"""Runs a program at a real pseudo-terminal and types what a person would type.

Standard input: JSON {argv, env, cwd, uid?, gid?, turns: [{prompt, type}], seconds}. A turn waits until what the terminal shows
ends with `prompt` (with `anywhere`: contains it), then types `type` and Enter; `type` may be {"key": "c"} for Ctrl-C. Standard output: JSON {screen, exit}.
"""
import json
import os
import pty
import select
import signal
import sys
import time

order = json.load(sys.stdin)


def become():
    if order.get("uid") is not None:
        os.setgroups([])
        os.setgid(order["gid"])
        os.setuid(order["uid"])


def met(turn, text):
    return turn["prompt"] in text if turn.get("anywhere") else text.endswith(turn["prompt"])


def run():
    child, terminal = pty.fork()
    if child == 0:
        become()
        os.chdir(order["cwd"])
        os.execvpe(order["argv"][0], order["argv"], order["env"])
    screen = b""
    turns = list(order["turns"])
    seen = 0
    until = time.monotonic() + order["seconds"]
    try:
        while time.monotonic() < until:
            ready, _, _ = select.select([terminal], [], [], 0.2)
            if ready:
                try:
                    chunk = os.read(terminal, 65536)
                except OSError:
                    chunk = b""
                if chunk == b"":
                    break
                screen += chunk
            text = screen[seen:].replace(b"\r\n", b"\n").decode("utf8", "replace")
            if turns and met(turns[0], text):
                turn = turns.pop(0)
                seen = len(screen)
                # The prompt is there before the program listens: a hidden answer must not come while the terminal echoes.
                time.sleep(0.3)
                if isinstance(turn["type"], dict):
                    os.write(terminal, bytes([ord(turn["type"]["key"]) & 0x1F]))
                else:
                    os.write(terminal, turn["type"].encode() + b"\r")
        else:
            os.kill(child, signal.SIGKILL)
    finally:
        _, status = os.waitpid(child, 0)
    return screen, os.waitstatus_to_exitcode(status), turns


screen, status, left = run()
text = screen.replace(b"\r\n", b"\n").decode("utf8", "replace")
json.dump({"screen": text, "exit": status, "unasked": [turn["prompt"] for turn in left]}, sys.stdout)
