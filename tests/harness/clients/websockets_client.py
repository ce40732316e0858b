# SPDX-License-Identifier: Apache-2.0
# python3-websockets (README.md).
import asyncio
import sys

import websockets


def say(*words):
    print(*words, flush=True)


async def listen(socket):
    try:
        async for text in socket:
            say("text", text)
    except websockets.ConnectionClosed:
        pass
    say("closed", socket.close_code or 0)


async def ping(socket):
    await (await socket.ping())
    say("pong")


async def main(url):
    loop = asyncio.get_running_loop()
    async with websockets.connect(url, subprotocols=["spillway.v1.json"]) as socket:
        say("open")
        listening = asyncio.create_task(listen(socket))
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            word, _, rest = line.rstrip("\n").partition(" ")
            if word == "send":
                await socket.send(rest)
            elif word == "ping":
                await ping(socket)
            elif word == "close":
                await socket.close()
                break
        await listening


asyncio.run(main(sys.argv[1]))
