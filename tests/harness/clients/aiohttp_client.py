# SPDX-License-Identifier: Apache-2.0
# python3-aiohttp (README.md).
import asyncio
import sys

import aiohttp


def say(*words):
    print(*words, flush=True)


async def listen(socket):
    async for message in socket:
        if message.type == aiohttp.WSMsgType.TEXT:
            say("text", message.data)
        elif message.type == aiohttp.WSMsgType.PONG:
            say("pong")


async def obey(socket, listening):
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "send":
            await socket.send_str(rest)
        elif word == "ping":
            await socket.ping()
        elif word == "close":
            # who closes beside a reader does not await the answer
            listening.cancel()
            await asyncio.wait([listening])
            await socket.close()
            say("closed", socket.close_code or 0)
            return


async def main(url):
    async with aiohttp.ClientSession() as session:
        # autoping would keep pongs for itself; the server's pings are none of this test
        async with session.ws_connect(url, protocols=["spillway.v1.json"], autoping=False) as socket:
            say("open")
            await obey(socket, asyncio.create_task(listen(socket)))


asyncio.run(main(sys.argv[1]))
